"""Stores of the KV layer on every engine: versions, indexes, pages, metadata, large values."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import IndexConflictError, InvalidRecordError, UnsupportedOperationError, VersionConflictError
from storescope.backends import KV, Index, Reindexed, create_kv

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope.backends import Store

MESSAGES = {
    "by_session_id": Index(key=lambda m: m["sessionId"]),
    "by_tag": Index(key=lambda m: m.get("tags"), multi=True),
    "by_slug": Index(key=lambda m: m.get("slug"), unique=True),
}


@pytest.fixture
async def kv(engine_url: str) -> AsyncGenerator[KV, None]:
    async with create_kv(engine_url, "myapp/") as opened:
        yield opened


@pytest.fixture
def messages(kv: KV) -> Store[Any, Any]:
    return kv.store("agent/").store("message/", indexes=MESSAGES)


async def found(store: Store[Any, Any], **by: str) -> list[str]:
    return [key async for key, _ in store.entries(**by)]


async def keys_of(store: Store[Any, Any]) -> list[str]:
    keys = store.keys()
    return [key async for key in keys]


async def test_what_is_stored_comes_back_with_version_and_metadata(messages: Store[Any, Any]) -> None:
    value = {"sessionId": "s", "text": "\0 \ud800", "n": 10**30, "f": 1.0, "list": []}
    version = await messages.set("m", value, metadata={"by": "me"})
    entry = await messages.get("m")
    assert entry is not None
    assert (entry.key, entry.version, entry.metadata) == ("m", version, {"by": "me"})
    assert await entry.value == await messages.get_value("m") == value
    await messages.update("m", lambda m: {**m, "more": 1})
    entry = await messages.get("m")
    assert entry is not None
    assert entry.metadata == {"by": "me"}
    assert await messages.get("other") is await messages.get_value("other") is None
    assert await messages.update("other", lambda m: m) is None


async def test_a_set_depends_on_the_version_that_was_read(kv: KV, messages: Store[Any, Any]) -> None:
    for store in (messages, kv.store("plain/")):
        first = await store.set("m", {"sessionId": "s"}, expected_version=None)
        second = await store.set("m", {"sessionId": "t"}, expected_version=first)
        for wrong in (None, first):
            with pytest.raises(VersionConflictError) as caught:
                await store.set("m", {"sessionId": "secret"}, expected_version=wrong)
            assert not caught.value.retryable
            assert "secret" not in str(caught.value)
        with pytest.raises(VersionConflictError):
            await store.delete("m", expected_version=first)
        assert await store.delete("m", expected_version=second)
        assert not await store.delete("m")


async def test_indexes_follow_what_is_written(messages: Store[Any, Any]) -> None:
    for key in ("m2", "m1", "m3"):
        await messages.set(key, {"sessionId": "s", "tags": ["a", key, "a"]})
    assert await found(messages, by_session_id="s") == await found(messages, by_tag="a") == ["m1", "m2", "m3"]
    assert await found(messages, by_tag="m2") == ["m2"]
    await messages.set("m2", {"sessionId": "t"})
    await messages.update("m1", lambda m: {**m, "tags": []})
    assert await found(messages, by_session_id="s") == ["m1", "m3"]
    assert await found(messages, by_session_id="t") == ["m2"]
    assert await found(messages, by_tag="a") == ["m3"]
    assert await messages.delete("m3")
    assert await found(messages, by_session_id="s") == ["m1"]
    assert await keys_of(messages) == await found(messages) == ["m1", "m2"]


async def test_a_unique_index_has_one_record_for_a_text(messages: Store[Any, Any]) -> None:
    await messages.set("m1", {"sessionId": "s", "slug": "x"})
    with pytest.raises(IndexConflictError) as caught:
        await messages.set("m2", {"sessionId": "s", "slug": "x"})
    assert caught.value.index == "by_slug"
    assert await messages.get("m2") is None
    assert await found(messages, by_slug="x") == ["m1"]
    await messages.set("m1", {"sessionId": "s", "slug": "y"})
    await messages.set("m2", {"sessionId": "s", "slug": "x"})
    assert await found(messages, by_slug="x") == ["m2"]
    await messages.delete("m2")
    assert await found(messages, by_slug="x") == []


async def test_of_several_who_want_one_unique_text_one_gets_it(messages: Store[Any, Any]) -> None:
    async def want(number: int) -> bool:
        try:
            await messages.set(f"m{number}", {"sessionId": "s", "slug": "x"})
        except IndexConflictError:
            return False
        return True

    got = await asyncio.gather(*map(want, range(8)))
    holders = [key async for key, entry in messages.entries() if (await entry.value)["slug"] == "x"]
    assert holders == [f"m{number}" for number, won in enumerate(got) if won]
    assert holders == await found(messages, by_slug="x")
    assert len(holders) <= 1


async def test_no_update_is_lost(messages: Store[Any, Any]) -> None:
    await messages.set("m", {"sessionId": "s"})

    async def add(number: int) -> None:
        await messages.update("m", lambda message: {**message, f"f{number}": number})

    await asyncio.gather(*map(add, range(20)))
    assert await messages.get_value("m") == {"sessionId": "s", **{f"f{n}": n for n in range(20)}}


async def test_pages_go_on_where_they_ended(messages: Store[Any, Any]) -> None:
    for number in range(5):
        await messages.set(f"m{number}", {"sessionId": "s", "tags": ["\x01", "\x02"]})
    ways: list[dict[str, Any]] = [{}, {"by_session_id": "s"}, {"by_tag": "\x01"}, {"by_tag": "\x02"}]
    for by in ways:
        keys: list[str] = []
        cursor: str | None = None
        while True:
            page = await messages.page(cursor=cursor, limit=2, **by)
            assert len(page.entries) <= 2
            keys += [entry.key for entry in page.entries]
            cursor = page.cursor
            if cursor is None:
                break
        assert keys == [f"m{number}" for number in range(5)]
    page = await messages.page(prefix="m3")
    assert [entry.key for entry in page.entries] == ["m3"]


async def test_stores_do_not_reach_into_each_other(kv: KV) -> None:
    left, right = kv.store("a/", indexes=MESSAGES), kv.store("a/b/", indexes=MESSAGES)
    await left.set("b/k", {"sessionId": "s"})
    await right.set("x", {"sessionId": "s"})
    assert await found(left, by_session_id="s") == ["b/k"]
    assert await found(right, by_session_id="s") == ["x"]
    assert await keys_of(kv.store("")) == ["a/b/k", "a/b/x"]


async def test_what_a_killed_writer_left_is_seen_through_and_reindexed(kv: KV, messages: Store[Any, Any]) -> None:
    """Index entries without their record, and records whose entries are gone or were never made."""
    await messages.set("m1", {"sessionId": "s", "slug": "x"})
    await messages.set("m2", {"sessionId": "s"})
    engine = await kv._connection.engine()
    base = "i/myapp/agent/message/\x01"
    await engine.put(f"{base}by_session_id\x01s\x01\x01gone", b"")
    await engine.put(f"{base}by_session_id\x01t\x01\x01m1", b"")
    await engine.put(f"{base}by_slug\x01y\x01", b"gone")
    assert await found(messages, by_session_id="s") == ["m1", "m2"]
    assert await found(messages, by_session_id="t") == await found(messages, by_slug="y") == []
    await messages.set("m3", {"sessionId": "u", "slug": "y"})  # taken over from who does not hold it
    await messages.delete("m3")
    await engine.delete(f"{base}by_session_id\x01s\x01\x01m2")
    unindexed = kv.store("agent/message/")
    await unindexed.set("m4", {"sessionId": "s", "slug": "x"})
    assert await messages.reindex() == Reindexed(3, 1, 2, ("m4",))
    assert await found(messages, by_session_id="s") == ["m1", "m2"]
    await unindexed.set("m4", {"sessionId": "s", "slug": "z"})
    assert await messages.reindex() == Reindexed(3, 2, 0, ())
    assert await found(messages, by_session_id="s") == ["m1", "m2", "m4"]
    assert await messages.reindex() == Reindexed(3, 0, 0, ())


async def test_a_large_value_is_loaded_when_it_is_wanted_and_once(kv: KV, messages: Store[Any, Any]) -> None:
    await messages.set("m", {"sessionId": "s", "text": "x" * 70_000}, metadata={"size": "large"})
    engine = await kv._connection.engine()
    loads: list[str] = []
    get = engine.get

    async def counted(key: str) -> Any:
        loads.append(key)
        return await get(key)

    engine.get = counted  # type: ignore[method-assign] # to count what is loaded
    for listed in [entry async for _, entry in messages.entries(by_session_id="s")]:
        assert listed.metadata == {"size": "large"}
        assert loads == []
        assert len((await listed.value)["text"]) == len((await listed.value)["text"]) == 70_000
        assert len(loads) == 1
    stale = await messages.get("m")
    gone = await messages.get("m")
    assert stale is not None
    assert gone is not None
    version = await messages.set("m", {"sessionId": "s", "text": "new"})
    assert (await stale.value)["text"] == "new"
    assert stale.version == version
    await messages.delete("m")
    with pytest.raises(VersionConflictError):
        await gone.value


async def test_what_cannot_be_asked_is_said(messages: Store[Any, Any]) -> None:
    with pytest.raises(UnsupportedOperationError, match="by_session_id, by_tag, by_slug"):
        await found(messages, by_sesion="s")
    wrong: list[dict[str, Any]] = [{"by_session_id": "s", "by_tag": "t"}, {"prefix": "m", "by_tag": "t"}]
    wrong += [{"by_tag": 1}, {"limit": 0}, {"cursor": 1}]
    for arguments in wrong:
        with pytest.raises(InvalidRecordError):
            await messages.page(**arguments)
    for key in ("", "nul\0", "x" * 1025):
        with pytest.raises(InvalidRecordError):
            await messages.set(key, {"sessionId": "s"})
    for value in ({"sessionId": 1}, {"sessionId": "s", "x": float("nan")}):
        with pytest.raises(InvalidRecordError):
            await messages.set("m", value)
    with pytest.raises(KeyError):
        await messages.set("m", {})
    with pytest.raises(InvalidRecordError):
        await messages.update("m", asyncio.sleep)
    assert await found(messages) == []
