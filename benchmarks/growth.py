"""Whether a call behind the full stack costs the same with more tenants, more records and more callers."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.asyncio import Redis

from benchmarks._result import Result, Row
from benchmarks._rounds import at_once, in_turn, median, microseconds, ratio
from benchmarks._stacks import BACKEND, POLICY, REGION, bare_get, stack, stacked
from benchmarks._stores import one_core, started
from benchmarks.guard import policy_of
from storescope import CallContext, call_context, wrap
from storescope.backends import open_backend
from storescope.context import use_context
from storescope.middleware import region_guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks._rounds import Work
    from storescope.backends import Backend

CALLS, ROUNDS, FLAT = 1_000, 31, 1.1
SAMPLING = "1 % sampled"
_READ = 10_000
"""Of how many records the calls go round, or of all if there are fewer."""
_FILLED = 50_000  # by one script: Redis tells others that it is busy after 5 s
_FILL = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local id = 's' .. number
    local label = '{"region":"' .. ARGV[3] .. '","tenant":"acme","session":"' .. id .. '"}'
    redis.call('HSET', 'storescope::session:' .. id, 'n', number, '$residency', label)
end
"""


context = partial(call_context, tenant="acme", actor="bench", region=REGION)
"""For whom, by whom and from where the calls are made, unless it is of many tenants."""


class Sizes(NamedTuple):
    """From how few to how many."""

    tenants: tuple[int, int] = (1, 10_000)
    records: tuple[int, int] = (10, 1_000_000)
    callers: tuple[int, int] = (1, 64)


SIZES = Sizes()


async def run(folder: Path, *, sizes: Sizes = SIZES, calls: int = CALLS, rounds: int = ROUNDS) -> Result:
    """Measure the fewest against the most, at 1 % sampling, around memory; the records on Redis too."""
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    for what, (measure, ends) in {
        "tenants": (_tenants, sizes.tenants),
        "records in memory": (_records_in_memory, sizes.records),
        "records on Redis": (_records_on_redis, sizes.records),
        "callers": (_callers, sizes.callers),
    }.items():
        (folder / what).mkdir()
        figures = raw[what] = await measure(folder / what, ends, calls, rounds)
        few, many = figures
        rows.append(Row(f"{few} {what}", median(figures[few]), 1.0))
        rows.append(Row(f"{many} {what}", median(figures[many]), ratio(figures, many, few), FLAT))
    return Result("whether a call costs the same as things grow", rows, raw)


async def _tenants(folder: Path, tenants: tuple[int, int], calls: int, rounds: int) -> dict[str, list[float]]:
    handlers, many = {"session.get": bare_get}, max(tenants)
    with stacked(handlers, folder, SAMPLING, backend=BACKEND, policy=policy_of(many)) as full:
        contenders = {f"{number:,}": _of_tenants(full["session.get"], number, of=many) for number in tenants}
        await at_once(contenders[f"{many:,}"], 1, many)  # what is made at a tenant's first call is not growth
        return await microseconds(contenders, calls=calls, rounds=rounds)


def _of_tenants(get: Callable[..., Awaitable[Any]], tenants: int, *, of: int) -> Work:
    """Return a call of the next tenant; to walk the contexts costs the same, so there are as many of them."""
    contexts = cycle(
        [CallContext(f"tenant-{number % tenants}", actor="bench", region=REGION) for number in range(of)]
    )

    async def work() -> None:
        with use_context(next(contexts)):
            await get(id="s1")

    return work


async def _records_in_memory(
    folder: Path, records: tuple[int, int], calls: int, rounds: int
) -> dict[str, list[float]]:
    async with contextlib.AsyncExitStack() as opened:
        contenders: dict[str, Work] = {}
        for number in records:
            backend = await opened.enter_async_context(open_backend("memory:", region=REGION))
            guarded = wrap(backend, region_guard(POLICY))
            with context():
                for each in range(number):
                    await guarded["session.set"](id=f"s{each}", value={"n": each})
            contenders[f"{number:,}"] = await _of_records(opened, folder, backend, number)
        with context():
            return await microseconds(contenders, calls=calls, rounds=rounds)


async def _records_on_redis(
    folder: Path, records: tuple[int, int], calls: int, rounds: int
) -> dict[str, list[float]]:
    with one_core():
        async with contextlib.AsyncExitStack() as opened:
            contenders: dict[str, Work] = {}
            for number in records:
                (folder / str(number)).mkdir()
                address = opened.enter_context(started("redis", folder / str(number)))
                async with Redis.from_url(address) as client:
                    for first in range(0, number, _FILLED):
                        last = min(first + _FILLED, number) - 1
                        await client.eval(_FILL, 0, str(first), str(last), REGION)
                backend = await opened.enter_async_context(open_backend(address, region=REGION))
                contenders[f"{number:,}"] = await _of_records(opened, folder, backend, number)
            with context():
                return await microseconds(contenders, calls=max(calls // 10, 1), rounds=rounds)


async def _of_records(opened: contextlib.AsyncExitStack, folder: Path, backend: Backend, records: int) -> Work:
    """Return a call of the next record, of some that lie all over the store."""
    own = folder / f"of {records}"
    own.mkdir()
    get = opened.enter_context(stack(backend, own, SAMPLING))
    ids = [f"s{number}" for number in range(0, records, max(records // _READ, 1))]
    with context():
        if await get(id=ids[-1]) is None:
            raise RuntimeError(f"there are no {records} records")
    return in_turn([partial(get, id=id_) for id_ in ids])


async def _callers(folder: Path, callers: tuple[int, int], calls: int, rounds: int) -> dict[str, list[float]]:
    """Measure calls that wait for their turn on the loop once, as one of a server would at least."""

    async def get(*, id: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"id": id}

    few, many = callers
    with context(), stack({"session.get": get}, folder, SAMPLING, backend=BACKEND) as full:
        call = partial(full, id="s1")
        each = max(calls // many, 1)
        contenders: dict[str, Work] = {
            f"{few:,}": partial(at_once, call, few, each * many // few),
            f"{many:,}": partial(at_once, call, many, each),
        }
        figures = await microseconds(contenders, calls=1, rounds=rounds)
    return {name: [took / (each * many) for took in values] for name, values in figures.items()}
