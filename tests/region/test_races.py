"""What changes while a call waits: the record that it looks at, the caller's own, the policy, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from storescope import BackendInfo, RecordNotFoundError, ResidencyError, call_context, wrap
from storescope.middleware import ResidencyPolicy, region_guard
from storescope.middleware._region._labels import FIELD
from tests.middleware.helpers import memory_map
from tests.region.policies import EU, sound

if TYPE_CHECKING:
    from collections.abc import Callable

TENANTS = {"acme": "eu-only", "globex": "eu-only"}
OWN = {"tenant": "acme", "region": EU}


class Source:
    """A policy that tests replace."""

    def __init__(self, **changes: Any) -> None:
        self.swap(**changes)

    def swap(self, **changes: Any) -> None:
        self.current = ResidencyPolicy.from_dict(sound(**{"tenants": TENANTS, "exceptions": [], **changes}))


class Waiting:
    """A guarded map in which something happens while a handler's answer is on its way.

    Attributes:
        rows: The map without the guard.
        handlers: The map with it.
        called: The handlers that were called.
        meanwhile: Handler -> what happens after it did its work.
    """

    def __init__(self, source: Source | None = None, **options: Any) -> None:
        self.rows, self.called = memory_map(), list[str]()
        self.meanwhile: dict[str, Callable[[], Any]] = {}
        guard = region_guard(source or Source(), caller_region=EU, labels="required", **options)
        handlers = {name: self._handler(name) for name in self.rows}
        self.handlers = wrap(handlers, guard, backend=BackendInfo("memory", region=EU))

    def _handler(self, name: str) -> Any:
        async def handler(**params: Any) -> Any:
            self.called.append(name)
            answer = await self.rows[name](**params)
            happens = self.meanwhile.get(name)
            if happens is not None and (done := happens()) is not None:
                await done
            return answer

        return handler


async def test_a_row_that_names_no_session_is_denied_and_is_no_crash() -> None:
    """A store that keeps its lists apart from its records may list one that never named the session."""

    async def get(*, id: str) -> Any:
        return None

    async def list_by_session(*, session_id: str) -> Any:
        return [{"text": "secret", FIELD: OWN}]

    handlers = wrap(
        {"message.get": get, "message.listBySession": list_by_session},
        region_guard(Source(), caller_region=EU, labels="required"),
        backend=BackendInfo("memory", region=EU),
    )
    with call_context(tenant="acme"), pytest.raises(ResidencyError) as denied:
        await handlers["message.listBySession"](session_id="s")
    assert denied.value.decision.code == "label_session_mismatch"


class TestTheCallersOwnRecord:
    """It may be changed while the call waits; the reserved field and the session are what was looked at."""

    forged: ClassVar[dict[str, Any]] = {"tenant": "globex", "region": EU}

    async def test_of_a_set(self) -> None:
        store, value = Waiting(), {"sessionId": "s"}
        store.meanwhile["message.get"] = lambda: value.update({"sessionId": "theirs", FIELD: self.forged})
        with call_context(tenant="acme"):
            await store.handlers["message.set"](id="m", value=value)
            assert await store.handlers["message.get"](id="m") == {"sessionId": "s"}

    async def test_of_an_update(self) -> None:
        store, updates = Waiting(), {"a": 2}
        with call_context(tenant="acme"):
            await store.handlers["message.set"](id="m", value={"sessionId": "s", "a": 1})
            store.meanwhile["message.get"] = lambda: updates.update({"sessionId": "theirs", FIELD: self.forged})
            assert await store.handlers["message.update"](id="m", updates=updates) == {"sessionId": "s", "a": 2}

    async def test_of_one_who_names_no_tenant_and_is_monitored(self) -> None:
        store, value = Waiting(Source(mode="monitor")), {"a": 1}
        store.meanwhile["setup.get"] = lambda: value.update({FIELD: self.forged})
        await store.handlers["setup.set"](id="x", value=value)
        assert await store.rows["setup.get"](id="x") == {"a": 1}


@pytest.mark.parametrize("tenant", ["acme", "globex"])
async def test_an_update_changes_no_record_that_was_put_there_after_the_look(tenant: str) -> None:
    """Else it would move the record to another session and leave its label behind, and nobody could read it again."""
    store = Waiting()

    async def put() -> None:
        store.meanwhile.clear()
        with call_context(tenant=tenant):
            await store.handlers["message.set"](id="m", value={"sessionId": "s"})

    store.meanwhile["message.get"] = put
    with call_context(tenant="acme"), pytest.raises(RecordNotFoundError):
        await store.handlers["message.update"](id="m", updates={"sessionId": "t"})
    assert "message.update" not in store.called
    with call_context(tenant=tenant):
        assert await store.handlers["message.get"](id="m") == {"sessionId": "s"}
