"""What changes while a call waits: the record that it looks at, the caller's own, the policy, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from storescope import BackendInfo, RecordNotFoundError, ResidencyError, call_context, wrap
from storescope.middleware import ResidencyPolicy, region_guard
from storescope.middleware._region._engine import Question, decide, object_to
from storescope.middleware._region._labels import FIELD
from tests.middleware.helpers import memory_map
from tests.region.policies import EU, US, sound
from tests.region.strategies import EXPIRES

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
        store = Waiting()
        value: dict[str, Any] = {"sessionId": "s"}
        store.meanwhile["message.get"] = lambda: value.update({"sessionId": "theirs", FIELD: self.forged})
        with call_context(tenant="acme"):
            await store.handlers["message.set"](id="m", value=value)
            assert await store.handlers["message.get"](id="m") == {"sessionId": "s"}

    async def test_of_an_update(self) -> None:
        store = Waiting()
        updates: dict[str, Any] = {"a": 2}
        with call_context(tenant="acme"):
            await store.handlers["message.set"](id="m", value={"sessionId": "s", "a": 1})
            store.meanwhile["message.get"] = lambda: updates.update({"sessionId": "theirs", FIELD: self.forged})
            assert await store.handlers["message.update"](id="m", updates=updates) == {"sessionId": "s", "a": 2}

    async def test_of_one_who_names_no_tenant_and_is_monitored(self) -> None:
        store = Waiting(Source(mode="monitor"))
        value: dict[str, Any] = {"a": 1}
        store.meanwhile["setup.get"] = lambda: value.update({FIELD: self.forged})
        await store.handlers["setup.set"](id="x", value=value)
        assert await store.rows["setup.get"](id="x") == {"a": 1}


@pytest.mark.parametrize("tenant", ["acme", "globex"])
async def test_an_update_changes_no_record_that_was_put_there_after_the_look(tenant: str) -> None:
    """Else it would move the record to another session without its label, and nobody could read it again."""
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


FORBIDDEN: dict[str, Any] = {"tenants": {"globex": "eu-only"}}


@pytest.mark.parametrize("look", ["message.get", "session.get"])
async def test_a_policy_that_is_tightened_during_a_look_stops_the_call_there(look: str) -> None:
    source = Source()
    store = Waiting(source)
    with call_context(tenant="acme"):
        await store.handlers["session.set"](id="s", value={})
        store.called.clear()
        store.meanwhile[look] = lambda: source.swap(**FORBIDDEN)
        with pytest.raises(ResidencyError) as denied:
            await store.handlers["message.set"](id="m", value={"sessionId": "s"})
    assert (denied.value.decision.code, denied.value.decision.policy) == ("tenant_unlisted", source.current.digest)
    assert store.called == ["message.get", "session.get"][: 1 + (look == "session.get")]
    assert await store.rows["message.get"](id="m") is None


async def test_an_exception_that_ends_during_a_look_stops_the_call_there(monkeypatch: pytest.MonkeyPatch) -> None:
    now = EXPIRES - 1
    monkeypatch.setattr("storescope.middleware._region._memory.time.time", lambda: now)
    excepted = {**sound()["exceptions"][0], "operations": ["session.set"]}
    store = Waiting(Source(exceptions=[excepted]))

    def end() -> None:
        nonlocal now
        now = EXPIRES

    store.meanwhile["session.get"] = end
    with call_context(tenant="acme", region=US), pytest.raises(ResidencyError):
        await store.handlers["session.set"](id="s", value={})
    assert store.called == ["session.get"]


async def test_a_wrong_label_that_monitoring_let_through_counts_once_the_policy_is_enforced() -> None:
    source = Source(mode="monitor")
    store = Waiting(source)
    await store.rows["message.set"](id="m", value={"sessionId": "s", FIELD: {**OWN, "tenant": "globex"}})
    store.meanwhile["session.get"] = source.swap  # the look at the record is over
    with call_context(tenant="acme"), pytest.raises(ResidencyError) as denied:
        await store.handlers["message.set"](id="m", value={"sessionId": "s"})
    assert denied.value.decision.code == "label_tenant_mismatch"
    assert "message.set" not in store.called


RULES: dict[str, Any] = {**sound()["rules"], "watched": {**sound()["rules"]["eu-only"], "mode": "monitor"}}


class TestAWrongLabelIsJudgedByThePolicyInForceWhenItIsSeen:
    before: ClassVar[dict[str, Any]] = {"rules": {**RULES, "watched": RULES["eu-only"]}, "version": "before"}

    def store(self, happens: Callable[[Source], None], **options: Any) -> tuple[Waiting, Source]:
        source = Source(**self.before, tenants={"acme": "watched"})
        store = Waiting(source, **options)
        store.meanwhile |= dict.fromkeys(("message.get", "message.listBySession"), lambda: happens(source))
        return store, source

    @pytest.mark.parametrize(
        ("operation", "name"), [("message.get", "id"), ("message.listBySession", "session_id")]
    )
    async def test_not_by_the_rule_that_its_tenant_had(self, operation: str, name: str) -> None:
        """The old rule is monitored by now, but the tenant has another one, which is enforced."""
        store, source = self.store(lambda source: source.swap(rules=RULES))
        await store.rows["message.set"](id="s", value={"sessionId": "s", FIELD: {**OWN, "tenant": "globex"}})
        with call_context(tenant="acme"), pytest.raises(ResidencyError) as denied:
            await store.handlers[operation](**{name: "s"})
        assert (denied.value.decision.rule, denied.value.decision.policy) == ("eu-only", source.current.digest)

    @pytest.mark.parametrize("mixed_lists", ["raise", "filter"])
    async def test_and_so_is_the_whole_call(self, mixed_lists: str) -> None:
        store, _ = self.store(lambda source: source.swap(**FORBIDDEN), mixed_lists=mixed_lists)
        await store.rows["message.set"](id="m", value={"sessionId": "s"})
        with call_context(tenant="acme"), pytest.raises(ResidencyError) as denied:
            await store.handlers["message.listBySession"](session_id="s")
        assert denied.value.decision.code == "tenant_unlisted"


class TestAnExceptionAndAWrongLabel:
    async def test_a_denial_names_no_exception(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It let nothing through: the record's label denied it."""
        monkeypatch.setattr("storescope.middleware._region._memory.time.time", lambda: EXPIRES - 1)
        store = Waiting(Source(exceptions=sound()["exceptions"]))
        await store.rows["session.set"](id="s", value={})
        with call_context(tenant="acme", region=US), pytest.raises(ResidencyError) as denied:
            await store.handlers["session.get"](id="s")
        assert (denied.value.decision.code, denied.value.decision.exception) == ("label_missing", None)

    @pytest.mark.parametrize(
        ("until", "expires"), [("2026-11-01T00:00:00Z", EXPIRES - 30 * 86400), (None, EXPIRES)]
    )
    def test_what_both_let_through_lasts_as_long_as_both(self, until: str | None, expires: float) -> None:
        ends = {} if until is None else {"monitor_until": until}
        policy = ResidencyPolicy.from_dict(sound(mode="monitor", **ends))
        question = Question("session.get", "acme", EU, US, BackendInfo("memory", region=EU))
        excepted = decide(policy, question, 0)
        assert (excepted.exception, excepted.expires) == ("support", EXPIRES)
        objection = object_to(policy, excepted, "label_missing", 0)
        assert (objection.effect, objection.exception, objection.expires) == ("would_deny", "support", expires)
