"""Moves and updates on DynamoDB under many schedules: the requests and their conditions, on a table in memory.

A real server takes seconds for what is tried here once; in which order it takes requests, nobody can choose.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from storescope.backends._dynamodb._calls import ABSENT, SETTLED, Condition
from storescope.backends._dynamodb._server import AGAIN
from storescope.backends._dynamodb._sessions import SessionTable
from tests.rounds import SCALE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.backends._dynamodb._items import Item, Key

SEEDS = 30 * SCALE
HOMES = ("s", "t0", "t1", "t2")
RECORDS = ("p0", "p1")


class Table:
    """What `Calls` does, where others get on before and after each request."""

    def __init__(self, chance: random.Random) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self._chance = chance

    async def _others(self) -> None:
        for _ in range(self._chance.randrange(5)):
            await asyncio.sleep(0)

    async def _do(self, change: Callable[[], Any]) -> Any:
        await self._others()
        result = change()
        await self._others()
        return result

    async def get(self, key: Key) -> Item | None:
        found: Item | None = await self._do(lambda: self._copy(key))
        return found

    async def put(self, item: Item, when: Condition | None = None) -> bool:
        return await self._write((item["pk"], item["sk"]), dict(item), when)

    async def delete(self, key: Key, when: Condition | None = None) -> bool:
        return await self._write(place(key), None, when)

    async def mark(self, key: Key, version: str) -> Item | None:
        def change() -> Item | None:
            item = self.items.get(place(key))
            if item is None or "body" not in item:
                return None
            item |= {"moving": "1", "ver": version}
            return self._copy(key)

        marked: Item | None = await self._do(change)
        return marked

    async def count(self, key: Key, first: int) -> int:
        def change() -> int:
            item = self.items.setdefault(place(key), {"n": first})
            item["n"] += 1
            return int(item["n"])

        number: int = await self._do(change)
        return number

    async def forget_count(self, key: Key, count: int) -> None:
        await self.delete(key, Condition("", ("n",), {":n": {"N": str(count)}}))

    async def query(self, partition: str, after: str, limit: int | None = None) -> list[Item]:
        def change() -> list[Item]:
            keys = sorted(key for key in self.items if key[0] == partition and key[1] > after)
            return [dict(self.items[key]) for key in keys[:limit]]

        found: list[Item] = await self._do(change)
        return found

    async def _write(self, key: tuple[str, str], item: Item | None, when: Condition | None) -> bool:
        def change() -> bool:
            held = holds(self.items.get(key), when)
            if held and item is None:
                self.items.pop(key, None)
            elif held:
                self.items[key] = item
            return held

        done: bool = await self._do(change)
        return done

    def _copy(self, key: Key) -> Item | None:
        item = self.items.get(place(key))
        return None if item is None else dict(item)


def place(key: Key) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def holds(item: Any, when: Condition | None) -> bool:
    if when is None:
        return True
    if when is ABSENT:
        return item is None
    if when is SETTLED:
        return item is not None and "body" in item and "moving" not in item
    ((wanted,),) = (value.values() for value in when.values.values())
    return item is not None and str(item.get(when.names[0])) == wanted


class SeveralProcesses:
    """What `Server` does, but that those who write a record at once do not stand in line."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def write(self, key: str, attempt: Callable[[int], Awaitable[Any]]) -> Any:
        for number in range(100):
            result = await attempt(number)
            if result is not AGAIN:
                return result
            for _ in range(self._chance.randrange(min(2**number, 64))):
                await asyncio.sleep(0)
        raise AssertionError("others got in before every attempt")

    async def run(self, job: Callable[[], Awaitable[Any]], *, writes: bool = False) -> Any:
        return await job()


@pytest.mark.unmeasured
async def test_moves_at_once_leave_each_record_in_one_session_whatever_the_schedule() -> None:
    chance = random.Random()
    for seed in range(SEEDS):
        chance.seed(seed)
        calls: Any = Table(chance)
        server: Any = SeveralProcesses(chance)
        table = SessionTable("part", server, calls)
        for id_ in RECORDS:
            await table.set("", id_, {"id": id_, "sessionId": "s"})
        moves = [table.set("", id_, {"id": id_, "sessionId": chance.choice(HOMES)}) for id_ in RECORDS * 4]
        updates = [table.update("", id_, {"n": number}) for number, id_ in enumerate(RECORDS * 2)]
        await asyncio.gather(*moves, *updates)
        lists = [await table.list_session("", home) for home in HOMES]
        records = [await table.get("", id_) for id_ in RECORDS]
        by_home = [[record for record in records if record and record["sessionId"] == home] for home in HOMES]
        assert [sorted(found, key=lambda r: r["id"]) for found in lists] == by_home, seed
        assert sum(map(len, by_home)) == len(RECORDS), seed
        assert sum("body" in item for item in calls.items.values()) == len(RECORDS), seed
