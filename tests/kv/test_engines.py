"""What every engine of the KV layer has to do: conditions, versions, order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from storescope import InvalidRecordError, VersionConflictError
from storescope.backends._kv._engine import ABSENT, Listed, check_key, range_end

if TYPE_CHECKING:
    from storescope.backends._kv._engine import KvEngine


async def keys(engine: KvEngine, prefix: str, *, limit: int = 2) -> list[str]:
    """List with small pages."""
    found: list[Listed] = []
    after: str | None = None
    while True:
        page = await engine.list(prefix, after=after, limit=limit)
        found += page.keys
        after = page.after
        if after is None:
            return [listed.key for listed in found]


async def test_a_write_depends_on_what_is_there(engine: KvEngine) -> None:
    first = await engine.put("k", b"1", metadata=b"m", expected=ABSENT)
    for wrong in (ABSENT, "f" * 24):
        with pytest.raises(VersionConflictError) as caught:
            await engine.put("k", b"secret", expected=wrong)
        assert "secret" not in str(caught.value)
    second = await engine.put("k", b"2", expected=first)
    with pytest.raises(VersionConflictError):
        await engine.put("k", b"3", expected=first)
    assert await engine.get("k") == (b"2", second, b"", True)
    third = await engine.put("k", b"", metadata=b"\0\xff")
    assert await engine.get("k") == (b"", third, b"\0\xff", True)
    with pytest.raises(VersionConflictError):
        await engine.put("nothing here", b"", expected=first)
    assert await engine.get("nothing here") is None


async def test_a_delete_depends_on_what_is_there(engine: KvEngine) -> None:
    assert not await engine.delete("k")
    first = await engine.put("k", b"1")
    assert not await engine.delete("other", expected=first)
    second = await engine.put("k", b"2")
    with pytest.raises(VersionConflictError):
        await engine.delete("k", expected=first)
    assert await engine.delete("k", expected=second)
    assert await engine.get("k") is None
    assert await keys(engine, "") == []


async def test_a_version_never_comes_back(engine: KvEngine) -> None:
    """Neither with the same value, nor after a delete: else who read it then would overwrite what came since."""
    versions = []
    for _ in range(3):
        versions += [await engine.put("k", b"same"), await engine.put("k", b"same")]
        await engine.delete("k")
    assert len(set(versions)) == 6


async def test_a_list_is_in_order_of_bytes(engine: KvEngine) -> None:
    hostile = [
        "a",
        "a/",
        "a/b",
        "a//",
        "a/../b",
        "a/.",
        "A",
        "a.b",
        "a-b",
        "a_b",
        "a b",
        "a%2Fb",
        "a\x01",
        "z",
        "a~",
    ]
    hostile += [
        "a*",
        "a?",
        "a[",
        "a\\",
        "a{",
        "á",
        "a\uffff",
        "a\U00010000",
        "a\U0010ffff",
        "aa",
        "a:b",
        "(",
        "!",
        "=",
    ]
    for key in hostile:
        await engine.put(key, key.encode())
    for prefix in ("", "a", "a/", "a\uffff", "a\U0010ffff", "nothing"):
        expected = sorted((key for key in hostile if key.startswith(prefix)), key=str.encode)
        assert await keys(engine, prefix, limit=4) == expected
    found = await engine.get_many(hostile, max_bytes=100)
    assert [entry.value.decode() for entry in found if entry] == hostile


async def test_a_page_begins_where_the_one_before_ended(engine: KvEngine) -> None:
    for number in range(7):
        await engine.put(f"p/{number}", b"")
    assert await keys(engine, "p/", limit=3) == [f"p/{number}" for number in range(7)]
    page = await engine.list("p/", after="a", limit=2)
    assert [key for key, _ in page.keys] == ["p/0", "p/1"]
    assert (await engine.list("p/", after="q")).keys == []


async def test_large_values_are_left_out(engine: KvEngine) -> None:
    await engine.put("small", b"12345", metadata=b"s")
    await engine.put("large", b"123456", metadata=b"l")
    small, missing, large = await engine.get_many(["small", "missing", "large"], max_bytes=5)
    assert small is not None
    assert (small.value, small.metadata, small.whole) == (b"12345", b"s", True)
    assert missing is None
    assert large is not None
    assert (large.value, large.metadata, large.whole) == (b"", b"l", False)
    whole = await engine.get("large")
    assert whole == (b"123456", large.version, b"l", True)


async def test_of_several_who_write_first_one_does(engine: KvEngine) -> None:
    async def claim(number: int) -> str | None:
        try:
            return await engine.put("k", str(number).encode(), expected=ABSENT)
        except VersionConflictError:
            return None

    written = [version for version in await asyncio.gather(*map(claim, range(10))) if version]
    entry = await engine.get("k")
    assert entry is not None
    assert written == [entry.version]


async def test_numbers_only_grow(engine: KvEngine) -> None:
    numbers = [await engine.next_number() for _ in range(5)]
    numbers += await asyncio.gather(*(engine.next_number() for _ in range(10)))
    assert len(set(numbers)) == 15
    assert numbers[:5] == sorted(numbers)[:5]


@pytest.mark.parametrize("key", ["", "nul\0", "lone\ud800", "x" * 1025, "é" * 513, None])
def test_keys_are_held_to_what_every_engine_keeps(key: str) -> None:
    with pytest.raises(InvalidRecordError):
        check_key(key)


def test_the_end_of_a_range_comes_after_all_that_begin_like_it() -> None:
    assert range_end("") is None
    assert range_end("\U0010ffff") is None
    assert range_end("a\U0010ffff") == "b"
    assert range_end("\ud7ff") == "\ue000"
