"""Packs: a long list costs a handful of requests, and says what the records say, whoever writes, dies or lies."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, VersionConflictError, call_context
from storescope.backends import Index, create_kv, open_backend
from storescope.backends._kv import _pack, _record
from storescope.backends._kv._memory import MemoryKv
from tests.kv.test_unique import delayed
from tests.rounds import SCALE

if TYPE_CHECKING:
    from storescope.backends import Backend

REQUESTS = ("get", "get_many", "put", "delete", "list")
SEEDS = 60 * SCALE


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine in memory has packs, of few records too: every schedule can be tried on it."""
    monkeypatch.setattr(MemoryKv, "packs", True)
    monkeypatch.setattr(_pack, "FEW", 0)


def engine_of(backend: Backend) -> Any:
    return backend._engine._engine  # type: ignore[attr-defined] # the KV engine below


class Counted:
    """Counts requests of an engine: each record that is read is one."""

    def __init__(self, engine: Any) -> None:
        self.number = 0
        for name in REQUESTS:
            setattr(engine, name, self._count(getattr(engine, name)))

    def _count(self, real: Any) -> Any:
        async def count(*arguments: Any, **options: Any) -> Any:
            self.number += len(arguments[0]) if isinstance(arguments[0], list) else 1
            return await real(*arguments, **options)

        return count

    async def during(self, call: Any) -> int:
        before = self.number
        await call
        return self.number - before


async def texts(backend: Backend, session: str = "s") -> list[str]:
    return [part["text"] for part in await backend["part.listBySession"](session_id=session)]


async def write(backend: Backend, id_: str, text: str, session: str = "s") -> None:
    await backend["part.set"](id=id_, value={"sessionId": session, "messageId": "m", "text": text})


async def packs_of(engine: Any) -> list[str]:
    return [listed.key for listed in (await engine.list("p/")).keys]


async def test_a_list_of_a_thousand_is_a_handful_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 500 a page: its pack, its index, and what is not packed yet. Without packs it is one for each record."""
    monkeypatch.setattr(MemoryKv, "packs", True)
    async with open_backend("kv+memory:") as backend:
        for number in range(1_000):
            await write(backend, f"p{number}", str(number))
        requests = Counted(engine_of(backend))
        begins = await requests.during(texts(backend))
        fills = await requests.during(texts(backend))
        assert (begins, fills) == (1_008, 1_008)  # the third page is empty
        assert await requests.during(texts(backend)) == 6
        await write(backend, "p0", "new")
        for number in range(20):
            await write(backend, f"later{number}", "later")
        assert await requests.during(texts(backend)) == 6 + 1 + 20  # nothing is packed anew for so few
        assert await texts(backend) == ["new", *map(str, range(1, 1_000)), *["later"] * 20]


async def test_a_write_costs_one_request_more(packs: None) -> None:
    """That which renews the index entry; a new record writes it anyway."""
    async with open_backend("kv+memory:") as backend:
        requests = Counted(engine_of(backend))
        assert await requests.during(write(backend, "p", "new")) == 4
        assert await requests.during(write(backend, "p", "again")) == 3
        for _ in range(3):
            await texts(backend)
        assert await requests.during(backend.admin.purge("part", "p")) == 6  # two are for the packs


async def test_what_left_a_session_is_in_no_pack_of_it(packs: None) -> None:
    """Purged, or moved: its text is nowhere in the store; and no scan counts a pack."""
    async with open_backend("kv+memory:", tenancy="required") as backend:
        with call_context(tenant="acme"):
            for number in range(4):
                await write(backend, f"p{number}", f"text-{number}")
            for _ in range(3):
                assert await texts(backend) == [f"text-{number}" for number in range(4)]
            engine = engine_of(backend)
            (pack,) = await packs_of(engine)
            assert b"text-2" in (await engine.get(pack)).value
            assert len((await backend.admin.scan("part")).records) == 4
            await write(backend, "p3", "text-3", session="t")
            assert await packs_of(engine) == []
            for _ in range(3):
                assert await texts(backend) == ["text-0", "text-1", "text-2"]
            for number in range(4):
                assert await backend.admin.purge("part", f"p{number}")
            assert await texts(backend) == await texts(backend, "t") == []
        assert (await engine.list("")).keys == []


async def test_a_pack_that_another_wrote_is_read_by_nobody(packs: None) -> None:
    """Another tenant's, one that was copied or torn, or no pack: each costs requests, and changes no answer."""
    async with open_backend("kv+memory:", tenancy="required") as backend:
        engine = engine_of(backend)
        for tenant in ("a", "b"):
            with call_context(tenant=tenant):
                await write(backend, "p", f"of {tenant}")
                await texts(backend)
        with call_context(tenant="b"):
            await texts(backend)
        ours, theirs = await packs_of(engine)
        foreign = (await engine.get(theirs)).value
        records = foreign[_pack._DIGEST :]
        spoilt = [foreign, _pack._digest(ours, records) + records, _pack._digest(ours, b"\xff" * 9) + b"\xff" * 9]
        spoilt += [foreign[:50], b"", b"\0" * 99]
        for pack in spoilt:
            await engine.put(ours, pack)
            with call_context(tenant="a"):
                for _ in range(2):
                    assert await texts(backend) == ["of a"]


async def test_what_was_written_before_there_were_packs_is_packed_once_reindexed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_pack, "FEW", 0)
    async with create_kv("memory:") as kv:
        store = kv.store("m/", indexes={"by_session": Index(key=lambda m: m["s"], order="insertion")})
        for number in range(3):
            await store.set(f"m{number}", {"s": "s", "n": number})
        monkeypatch.setattr(MemoryKv, "packs", True)
        engine = await kv._connection.engine()
        requests = Counted(engine)

        async def numbers() -> list[int]:
            return [(await entry.value)["n"] async for _, entry in store.entries(by_session="s")]

        for expected in (5, 5, 5):  # the pack, the index, each record
            assert await requests.during(numbers()) == expected
        assert await store.reindex() == (3, 0, 0, ())
        for expected in (6, 6, 2):
            assert await requests.during(numbers()) == expected
        await kv.store("m/").set("m0", {"s": "s", "n": 9})  # a store that knows of no index
        assert await numbers() == [1, 2]
        await engine.put("i/m/\x01by_session\x01gone\x010\x01m0", b"")
        assert await store.reindex() == (3, 1, 1, ())
        assert await packs_of(engine) == []
        assert await numbers() == [1, 2, 9]


async def test_a_pack_that_cannot_be_written_is_no_error(packs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_backend("kv+memory:") as backend:
        await write(backend, "p", "1")
        await texts(backend)

        async def refuse(*_: Any, **__: Any) -> str:
            raise BackendError("full")

        with monkeypatch.context() as patch:
            patch.setattr(engine_of(backend), "put", refuse)
            assert await texts(backend) == ["1"]


async def change_at_random(backend: Backend, writer: int, chance: random.Random) -> None:
    """Write, move and purge parts, as an agent and an operator do; and list, as each of them does all the time."""
    for _ in range(6):
        id_, session = f"p{chance.randrange(3)}", chance.choice("st")
        match chance.randrange(5):
            case 0 | 1:
                await write(backend, id_, f"{writer}-{chance.random()}", session)
            case 2:
                await backend.admin.purge("part", id_)
            case _:
                await texts(backend, session)


class _DiesError(Exception):
    """A writer is killed here."""


@pytest.mark.unmeasured
async def test_a_list_says_what_the_records_say_whatever_the_schedule(
    packs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers and lists get on wherever another waits, and some are killed between two requests.

    Once all is still, lists with packs and the records themselves agree, and what was purged is in no pack.
    """
    chance = random.Random()
    dying: set[asyncio.Task[Any] | None] = set()

    def mortal(real: Any) -> Any:
        async def request(*arguments: Any, **options: Any) -> Any:
            if asyncio.current_task() in dying and not chance.randrange(12):
                raise _DiesError
            return await real(*arguments, **options)

        return request

    monkeypatch.setattr(_record, "uniform", lambda *_: 0)  # pauses are turns of others, too
    for name in REQUESTS:
        monkeypatch.setattr(MemoryKv, name, mortal(delayed(getattr(MemoryKv, name), chance)))
    for seed in range(SEEDS):
        chance.seed(seed)
        dying.clear()
        async with open_backend("kv+memory:") as backend:
            writers = [asyncio.create_task(change_at_random(backend, number, chance)) for number in range(4)]
            dying.update(writers[: seed % 3])
            for ended in await asyncio.gather(*writers, return_exceptions=True):
                assert ended is None or isinstance(ended, _DiesError | VersionConflictError), seed
            dying.clear()
            records = [record.record for record in (await backend.admin.scan("part")).records]
            for session in "st":
                there = sorted(record["text"] for record in records if record["sessionId"] == session)
                for _ in range(3):
                    assert sorted(await texts(backend, session)) == there, seed
            await hold_packs_to(records, engine_of(backend), seed)


async def hold_packs_to(records: list[dict[str, Any]], engine: Any, seed: int) -> None:
    """Nothing is in a pack that is no record now: after three lists nobody is at work on them."""
    known = {record["text"].encode() for record in records}
    for place in await packs_of(engine):
        for entry in _pack._parse(place, (await engine.get(place)).value).values():
            assert any(text in entry.value for text in known), seed


async def test_a_write_that_a_delete_swallows_is_in_no_pack(packs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 knows no delete under a condition: what is written after the look at the version goes with the record."""
    async with open_backend("kv+memory:") as backend:
        await write(backend, "p", "first")
        engine = engine_of(backend)
        delete = engine.delete

        async def delete_late(key: str, **conditions: Any) -> bool:
            monkeypatch.setattr(engine, "delete", delete)
            await write(backend, "p", "swallowed")
            for _ in range(3):
                assert await texts(backend) == ["swallowed"]
            assert conditions  # which nobody holds it to any more
            deleted: bool = await delete(key)
            return deleted

        monkeypatch.setattr(engine, "delete", delete_late)
        assert await backend.admin.purge("part", "p")
        assert await texts(backend) == []
        assert (await engine.list("")).keys == []
