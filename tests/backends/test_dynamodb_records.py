"""Records on DynamoDB: as large as they may be, lists of many pages, hot ones, and what a dead writer leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import RecordTooLargeError, call_context
from storescope.backends import Backend, open_backend
from tests.backends.scans import scan_all
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ENTITIES = ("session", "message", "part", "sandbox", "setup")


@pytest.fixture
async def backend(dynamodb_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(dynamodb_url) as opened:
        yield opened


async def test_a_list_of_several_pages_comes_whole_and_in_order(backend: Backend) -> None:
    """DynamoDB answers with 1 MB at most, and says from where to go on."""
    queries: list[Any] = []
    client = backend._engine.message._calls._client  # type: ignore[attr-defined] # only DynamoDB has it
    client.meta.events.register("before-send.dynamodb.Query", lambda **_: queries.append(_))
    records = [{"id": f"m{n}", "sessionId": "s", "text": "x" * 390_000} for n in (3, 1, 2, 0)]
    for record in records:
        await backend["message.set"](id=record["id"], value=record)
    assert await backend["message.listBySession"](session_id="s") == records
    assert len(queries) > 1


async def test_tenants_whose_names_look_like_keys_are_apart(dynamodb_url: str) -> None:
    """Random names and calls are tried in make test-long."""
    tenants = ("", "a", "a#session", "a%23session", "#")
    ids = ("x", "#x", "session#x", "x#", "%23x")
    async with open_backend(dynamodb_url) as shared, open_backend(dynamodb_url, tenancy="required") as apart:
        for tenant in tenants:
            backend = apart if tenant else shared
            for number, id_ in enumerate(ids):
                with call_context(tenant=tenant or None):
                    value = {"sessionId": "s", "by": tenant, "n": number}
                    await backend["session.set"](id=id_, value=value)
                    await backend["message.set"](id=id_, value=value)
        for tenant in tenants:
            backend = apart if tenant else shared
            wanted = [{"sessionId": "s", "by": tenant, "n": number} for number in range(len(ids))]
            with call_context(tenant=tenant or None):
                assert [await backend["session.get"](id=id_) for id_ in ids] == wanted
                assert await backend["message.listBySession"](session_id="s") == wanted
                found = await scan_all(backend, "session")
                assert sorted(record.id for record in found) == sorted(ids)


async def test_the_largest_record_fits_and_one_byte_more_is_refused_before_it_is_written(backend: Backend) -> None:
    for entity in ENTITIES:
        fits = 400_000
        value = {"sessionId": "s", "text": "x" * fits}
        await backend[f"{entity}.set"](id="r", value=value)
        with pytest.raises(RecordTooLargeError):
            await backend[f"{entity}.set"](id="r", value={"sessionId": "s", "text": "é" * (fits // 2 + 5_000)})
        assert await backend[f"{entity}.get"](id="r") == value
    for entity in ("session", "message", "sandbox"):
        with pytest.raises(RecordTooLargeError):
            await backend[f"{entity}.update"](id="r", updates={"more": "x" * 10_000})
        assert "more" not in await backend[f"{entity}.get"](id="r")


async def test_writes_that_wait_for_one_record_keep_nobody_from_the_others(dynamodb_url: str) -> None:
    """However many they are: only one of them has one of the client's connections."""
    async with open_backend(dynamodb_url, max_connections=2) as backend:
        await backend["session.set"](id="hot", value={})
        calls, let_go = backend._engine.session._calls, asyncio.Event()  # type: ignore[attr-defined] # DynamoDB's
        get = calls.get

        async def held(key: Any) -> Any:
            if key["pk"]["S"].endswith("hot"):
                await let_go.wait()
            return await get(key)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls, "get", held)
            update = backend["session.update"]
            waiting = [asyncio.create_task(update(id="hot", updates={f"f{n}": n})) for n in range(5)]
            await asyncio.sleep(0)
            await backend["session.set"](id="cold", value={})
            assert not any(task.done() for task in waiting)
            waiting.pop().cancel()
            let_go.set()
            await asyncio.gather(*waiting)
        assert await backend["session.get"](id="hot") == {f"f{n}": n for n in range(4)}
        await asyncio.gather(*(backend["session.get"](id=f"s{n}") for n in range(10)))  # no turn was lost


class _DiesError(Exception):
    """The writer is killed here."""


def die_after(backend: Backend, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many requests that write go through, and raise at the next."""
    calls = backend._engine.message._calls  # type: ignore[attr-defined] # only DynamoDB has it
    left = [writes]
    for name in ("put", "delete", "mark", "count"):
        original = getattr(calls, name)

        async def counted(*args: Any, original: Any = original) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise _DiesError
            return await original(*args)

        monkeypatch.setattr(calls, name, counted)


STEPS = [(verb, writes) for verb in ("insert", "move", "move by update", "purge") for writes in range(7)]
SOME = [("insert", 2), ("move", 2), ("move by update", 3), ("purge", 1)]


@pytest.mark.parametrize(("verb", "writes"), STEPS if LONG else SOME)
async def test_a_writer_that_dies_between_two_steps_leaves_a_whole_record(
    backend: Backend, verb: str, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as before or as after, in one list or none; and the next writer, and a purge, get on."""
    old, new = {"id": "m", "sessionId": "s", "n": 1}, {"id": "m", "sessionId": "t", "n": 2}
    if verb != "insert":
        await backend["message.set"](id="m", value=old)
    with monkeypatch.context() as patch:
        die_after(backend, writes, patch)
        try:
            if verb == "purge":
                await backend.admin.purge("message", "m")
            elif verb == "move by update":
                await backend["message.update"](id="m", updates={"sessionId": "t", "n": 2})
            else:
                await backend["message.set"](id="m", value=new)
        except _DiesError:
            pass
    now = await backend["message.get"](id="m")
    assert now in ((None, new) if verb == "insert" else (old, None) if verb == "purge" else (old, new))
    for session in ("s", "t"):
        listed = await backend["message.listBySession"](session_id=session)
        assert listed == ([now] if now and now["sessionId"] == session else [])
    assert [found.record for found in await scan_all(backend, "message")] == ([now] if now else [])
    last = {"id": "m", "sessionId": "s", "n": 3}
    await backend["message.set"](id="m", value=last)
    assert await backend["message.get"](id="m") == last
    assert await backend["message.listBySession"](session_id="s") == [last]
    assert await backend["message.listBySession"](session_id="t") == []
    assert await backend.admin.purge("message", "m")
    client = backend._engine.message._calls._client  # type: ignore[attr-defined] # only DynamoDB has it
    left = await client.scan(TableName=backend.info.namespace)
    assert not [item for item in left["Items"] if "body" in item]
