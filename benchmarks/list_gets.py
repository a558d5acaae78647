"""A list of 10,000 messages on Redis against one GET for each of them."""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import orjson
from redis.asyncio import Redis

from benchmarks._raw import message
from benchmarks._raw_redis import RawRedis
from benchmarks._result import Result, Row
from benchmarks._rounds import microseconds, quiet_ratio, quietest
from benchmarks._stores import opened, started

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work
    from benchmarks._stores import Pair

MESSAGES, ROUNDS, LIMIT = 10_000, 30, 0.1
_GETS = 500  # in a round, the next of the session's: all of them never go undisturbed
USUAL, TUNED, LIST = "one GET each", "one GET each, without time-out", "listBySession"


async def run(folder: Path, *, messages: int = MESSAGES, rounds: int = ROUNDS) -> Result:
    """Measure the backend's list against GETs through a raw client, one after the other, each decoded.

    The limit is for the client as `Redis.from_url` makes it, whose time-out of 5 s bounds each GET as the
    backend's bounds the list. One without a time-out is faster, and waits for ever when the server is silent.
    """
    with started("redis", folder) as address:
        async with opened("redis", address) as pair, Redis.from_url(address) as usual:
            figures = await _measure(pair, usual, messages, rounds)
    rows = [Row(f"{messages:,} messages, {name}", quietest(values)) for name, values in figures.items()]
    for name, limit in ((USUAL, LIMIT), (TUNED, None)):
        share = quiet_ratio(figures, LIST, name)
        rows.append(Row(f"{LIST} to {name}", quietest(figures[LIST]), share, limit))
    return Result("a long list on Redis", rows, {"redis": figures}, "us a record (best round)")


async def _measure(pair: Pair, usual: Redis, messages: int, rounds: int) -> dict[str, list[float]]:
    raw = pair.raw
    if not isinstance(raw, RawRedis):
        raise TypeError
    records = [message(f"m{number}", "s") for number in range(messages)]
    await raw.fill(records)
    keys = await raw.fill_plain(records)
    list_ = partial(pair.backend["message.listBySession"], session_id="s")
    for found in (await list_(), await _get(usual, keys), await _get(raw.client, keys)):
        if found != records:
            raise RuntimeError("what is read is not what was written")
    gets = min(_GETS, messages)
    contenders: dict[str, Work] = {
        USUAL: _gets(usual, keys, gets),
        TUNED: _gets(raw.client, keys, gets),
        LIST: list_,
    }
    figures = await microseconds(contenders, calls=1, rounds=rounds)
    read = {USUAL: gets, TUNED: gets, LIST: messages}
    return {name: [taken / read[name] for taken in values] for name, values in figures.items()}


async def _get(client: Redis, keys: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for key in keys:
        text: Any = await client.get(key)
        found.append(orjson.loads(text))
    return found


def _gets(client: Redis, keys: list[str], gets: int) -> Work:
    endless = cycle(keys)
    return lambda: _get(client, list(islice(endless, gets)))
