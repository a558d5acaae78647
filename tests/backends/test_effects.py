"""Writes that are made once: a rerun with the same call id returns what the first did, and changes nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, CallContext, InvalidRecordError, RecordNotFoundError, Store
from storescope.backends import Backend, open_backend
from tests.durable.effects import count, count_from_now

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Handlers

ONCE = "abc"


@pytest.fixture(params=["local", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return f"local:{tmp_path / 'store'}?create=true"
    found: str = request.getfixturevalue("postgres_url")
    return found


async def call(
    handlers: Handlers,
    operation: str,
    id: str,
    body: Any = None,
    *,
    call_id: str | None = ONCE,
    tenant: str = "acme",
) -> Any:
    name = {"set": "value", "update": "updates"}.get(operation.split(".")[1])
    params = {"id": id} if name is None else {"id": id, name: body}
    return await Store(operation, params, CallContext(tenant=tenant, call_id=call_id)).on(handlers)


async def test_a_rerun_writes_nothing_and_returns_what_was_returned(url: str) -> None:
    await count_from_now(url)
    async with open_backend(url, effect_days=1) as backend:
        await call(backend, "session.set", "s1", {"n": 1})
        await call(backend, "session.set", "s1", {"n": "a rerun whose value differs"})
        assert await call(backend, "session.update", "s1", {"n": 2}) == {"n": 2}
        await call(backend, "session.update", "s1", {"n": 3}, call_id="another")
        assert await call(backend, "session.update", "s1", {"n": 2}) == {"n": 2}
        assert await call(backend, "session.get", "s1") == {"n": 3}
        await call(backend, "session.set", "s1", {"n": 4}, call_id=None)
        await call(backend, "session.set", "s1", {"n": 5}, call_id=None)
    assert await count(url) == 5


async def test_without_the_option_a_rerun_writes(url: str) -> None:
    async with open_backend(url) as backend:
        await call(backend, "session.set", "s1", {"n": 1})
        await call(backend, "session.set", "s1", {"n": 2})
        assert await call(backend, "session.get", "s1") == {"n": 2}


async def test_reruns_at_once_have_one_effect(url: str) -> None:
    """Two processes may think that a workflow is theirs."""
    await count_from_now(url)
    async with open_backend(url, effect_days=1) as one, open_backend(url, effect_days=1) as two:
        await call(one, "session.set", "s1", {})
        results = await asyncio.gather(
            *(call(backend, "session.update", "s1", {"n": n}) for n, backend in enumerate([one, two] * 5))
        )
        assert len({found["n"] for found in results}) == 1
    assert await count(url) == 2


async def test_an_update_that_found_nothing_is_tried_again(url: str) -> None:
    async with open_backend(url, effect_days=1) as backend:
        with pytest.raises(RecordNotFoundError):
            await call(backend, "session.update", "s1", {"n": 1})
        await call(backend, "session.set", "s1", {})
        assert await call(backend, "session.update", "s1", {"n": 1}) == {"n": 1}


async def test_the_calls_of_a_handler_are_other_calls(url: str) -> None:
    """A user's handler that writes elsewhere, through envelopes of its own, passes its call id to none of them."""
    async with open_backend(url, effect_days=1) as backend:

        async def set_(*, id: str, value: Any) -> None:
            for n in range(2):
                await Store("session.set", {"id": id, "value": {"n": n}}).on(backend)

        await call({"session.set": set_}, "session.set", "s1", {})
        assert await call(backend, "session.get", "s1") == {"n": 1}


async def test_tenants_are_apart(url: str) -> None:
    """A tenant that guesses another's call id neither gets its result nor keeps it from writing."""
    async with open_backend(url, effect_days=1, tenancy="required") as backend:
        await call(backend, "session.set", "s1", {"secret": 1})
        await call(backend, "session.update", "s1", {"n": 1})
        await call(backend, "session.set", "s1", {}, tenant="globex")
        assert await call(backend, "session.update", "s1", {"n": 2}, tenant="globex") == {"n": 2}
        assert await call(backend, "session.get", "s1") == {"secret": 1, "n": 1}


async def known(backend: Backend) -> bool:
    """Return whether the first write of `s1` is known: a rerun of it would change nothing."""
    await call(backend, "session.set", "s1", {"n": "rerun"})
    found: Any = await call(backend, "session.get", "s1")
    return bool(found != {"n": "rerun"})


async def test_purge_removes_results_too_whoever_purges(url: str) -> None:
    async with open_backend(url, effect_days=1) as backend, open_backend(url) as operator:
        await call(backend, "session.set", "s1", {"n": 1})
        await call(backend, "session.set", "s2", {"n": 1})
        assert await operator.admin.purge("session", "s1")
        assert not await known(backend)
        await call(backend, "session.set", "s2", {"n": 2})
        assert await call(backend, "session.get", "s2") == {"n": 1}


async def test_results_end_with_their_age(url: str) -> None:
    """Writes that come later delete them, some each; what is not as old stays."""
    async with open_backend(url, effect_days=1) as lasting, open_backend(url, effect_days=1e-9) as fleeting:
        for n in range(15):
            await call(lasting, "session.set", f"s{n}", {"n": 1})
        await asyncio.gather(
            *(call(fleeting, "session.set", f"other{n}", {}, call_id=f"later{n}") for n in range(10))
        )
        await call(lasting, "session.set", "s7", {"n": 2})
        assert await call(lasting, "session.get", "s7") == {"n": 2}
        await call(fleeting, "session.set", "s7", {"n": 3})
        assert await call(lasting, "session.get", "s7") == {"n": 2}  # too old, and still known


async def test_options_and_ids_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(BackendError, match="effect_days must be 0 or more"):
        await open_backend(url, effect_days=-1.0)
    async with open_backend(url, effect_days=1) as backend:
        with pytest.raises(InvalidRecordError, match="the call id"):
            await call(backend, "session.set", "s1", {}, call_id="\0")


async def test_a_folder_from_before_gets_its_table(tmp_path: Path) -> None:
    url = f"local:{tmp_path / 'store'}"
    async with open_backend(url) as backend:
        await call(backend, "session.set", "s1", {"n": 1})
    db = sqlite3.connect(tmp_path / "store" / "storage.db")
    db.execute("DROP TABLE effects")
    db.close()
    async with open_backend(url, effect_days=1) as backend:
        await call(backend, "session.update", "s1", {"n": 2})
        assert await call(backend, "session.get", "s1") == {"n": 2}
        assert await backend.admin.purge("session", "s1")
