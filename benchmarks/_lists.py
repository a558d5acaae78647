"""Sessions of 10 to 10,000 messages, alone in their store and among many others."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks._raw import message
from benchmarks._stores import opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from benchmarks._raw import Raw
    from benchmarks._stores import Pair

_BATCH = 2_000


class Sizes(NamedTuple):
    """How much is filled in, and how often it is read.

    Attributes:
        sessions: How many messages the sessions hold; the longest last.
        beside: The length of the session that stands among others, also one of `sessions`.
        others: How many others.
        rounds: How many rounds are timed.
    """

    sessions: tuple[int, ...] = (10, 100, 1_000, 10_000)
    beside: int = 1_000
    others: int = 100_000
    rounds: int = 45

    def up_to(self, longest: int) -> Sizes:
        """Return the same without longer sessions."""
        return self._replace(sessions=tuple(size for size in self.sessions if size <= longest))


_SMALLER = {
    "dynamodb_local": Sizes(others=10_000, rounds=9),
    "kv+redis": Sizes(others=10_000, rounds=15),
    "kv+postgres": Sizes(others=10_000, rounds=15),
    "kv+s3": Sizes(sessions=(10, 100, 1_000), others=1_000, rounds=5),
}


def sizes_for(store: str) -> Sizes:
    """Return the sizes for a store.

    DynamoDB Local writes some hundred records a second, and takes milliseconds for a request: 100,000 sessions and
    45 rounds would take it an hour on a busy machine. SeaweedFS takes a request for each record and each of its
    index entries. The KV layer on Redis and Postgres writes two entries for each record.
    """
    return _SMALLER.get(store, Sizes())


class Lists(NamedTuple):
    """What lists a session: the backend, and the raw client. Both fail if it is not as long as it should be."""

    ours: Callable[[int], Awaitable[None]]
    raw: Callable[[int], Awaitable[None]]


@asynccontextmanager
async def filled(store: str, address: str, sizes: Sizes) -> AsyncGenerator[tuple[Lists, Lists]]:
    """Fill two spaces of a store, one of them crowded, and yield what lists the sessions of either."""
    async with opened(store, address, 0) as alone, opened(store, address, 1) as crowded:
        for size in sizes.sessions:
            await fill(alone.raw, size)
        await fill(crowded.raw, sizes.beside)
        for first in range(0, sizes.others, _BATCH):
            numbers = range(first, min(first + _BATCH, sizes.others))
            await crowded.raw.fill([message(f"other-{number}", f"other-{number}") for number in numbers])
        yield _lists(alone), _lists(crowded)


async def fill(raw: Raw, size: int) -> None:
    """Fill one session, which is named by its size."""
    await raw.fill([message(f"{size}-{number}", str(size)) for number in range(size)])


def _lists(pair: Pair) -> Lists:
    async def ours(size: int) -> None:
        _check(await pair.backend["message.listBySession"](session_id=str(size)), size)

    async def raw(size: int) -> None:
        _check(await pair.raw.list_messages(str(size)), size)

    return Lists(ours, raw)


def _check(records: list[dict[str, Any]], size: int) -> None:
    if len(records) != size:
        raise RuntimeError(f"a list of {size} came with {len(records)} records")
