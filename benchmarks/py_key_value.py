"""What the full stack adds to a memory store, beside what py-key-value's wrappers add to its own."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from key_value.aio.stores.memory import MemoryStore
from key_value.aio.wrappers.logging import LoggingWrapper
from key_value.aio.wrappers.retry import RetryWrapper
from key_value.aio.wrappers.statistics import StatisticsWrapper
from key_value.aio.wrappers.timeout import TimeoutWrapper

from benchmarks._raw import session
from benchmarks._result import Result, Row
from benchmarks._rounds import added, added_ratio, median, microseconds
from benchmarks._stacks import POLICY, REGION, stack
from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import region_guard

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from key_value.aio.protocols.key_value import AsyncKeyValue

    from benchmarks._rounds import Work

CALLS, ROUNDS = 500, 31
LIMITS = {"1 % sampled": 0.3, "sampled": 0.6}
BARE, THEIR_BARE, THEIRS = "memory:", "MemoryStore", "Statistics, Logging, Retry and Timeout"


async def run(folder: Path, *, calls: int = CALLS, rounds: int = ROUNDS) -> Result:
    """Measure a read of the same record on both; what each adds is to its own bare store.

    Both leave lines in a file: two a call theirs, an audit record ours. Our stack's records carry labels.
    """
    with contextlib.ExitStack() as opened:
        opened.enter_context(call_context(tenant="acme", actor="bench", region=REGION))
        store = MemoryStore()
        await store.put("s1", session("s1"), collection="session")
        theirs = opened.enter_context(wrapped(store, folder / "theirs.log"))
        async with open_backend("memory:", region=REGION) as backend:
            await wrap(backend, region_guard(POLICY))["session.set"](id="s1", value=session("s1"))
            contenders: dict[str, Work] = {
                BARE: partial(backend["session.get"], id="s1"),
                THEIR_BARE: partial(store.get, "s1", collection="session"),
                THEIRS: partial(theirs.get, "s1", collection="session"),
            }
            for sampling in LIMITS:
                (folder / sampling).mkdir()
                get = opened.enter_context(stack(backend, folder / sampling, sampling))
                contenders[f"full stack, {sampling}"] = partial(get, id="s1")
            figures = await microseconds(contenders, calls=calls, rounds=rounds)
    return Result("what is added to a read from memory", _rows(figures), {"memory": figures})


@contextlib.contextmanager
def wrapped(store: AsyncKeyValue, path: Path) -> Generator[AsyncKeyValue]:
    """Put py-key-value's four wrappers around a store, with what they log in a file, for a block."""
    logger = logging.getLogger("benchmarks.py_key_value")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.FileHandler(path)
    logger.addHandler(handler)
    inner = RetryWrapper(TimeoutWrapper(store))
    try:
        yield StatisticsWrapper(LoggingWrapper(inner, logger=logger))
    finally:
        logger.removeHandler(handler)
        handler.close()


def _rows(figures: dict[str, list[float]]) -> list[Row]:
    rows = [Row(name, median(values)) for name, values in figures.items()]
    rows.append(Row(f"{THEIRS} add", median(added(figures, THEIRS, THEIR_BARE)), 1.0))
    for sampling, limit in LIMITS.items():
        name = f"full stack, {sampling}"
        share = added_ratio(figures, name, THEIRS, BARE, THEIR_BARE)
        rows.append(Row(f"{name}, adds", median(added(figures, name, BARE)), share, limit))
    return rows
