"""Alternating rounds: the only figures that a shared, noisy machine gives are ratios within one run."""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import cycle
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], Awaitable[Any]]
"""One call of a contender."""


async def microseconds(
    contenders: Mapping[str, Work], *, calls: int, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Run every contender in turn, round after round, each round in another order.

    Args:
        contenders: Name -> one call.
        calls: How many calls one round makes of each.
        rounds: How many rounds; the first is made twice and thrown away once.
        clock: What tells the seconds; `time.thread_time` for work that waits for nobody, so that it is not charged
            with what others do on the same cores meanwhile.

    Returns:
        Name -> microseconds per call, one figure a round.
    """
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    order, shuffled = list(contenders.items()), random.Random(0)
    gc.collect()
    gc.freeze()  # what is there by now need not be looked at after each round
    for number in range(rounds + 1):
        shuffled.shuffle(order)  # what ran before leaves the caches and the allocator as they suit it
        for name, work in order:
            took = await _time(work, calls, clock)
            if number:
                figures[name].append(took / calls * 1e6)
        gc.collect()
    gc.unfreeze()
    return figures


async def _time(work: Work, calls: int, clock: Callable[[], float]) -> float:
    gc.disable()
    try:
        begun = clock()
        for _ in range(calls):
            await work()
        return clock() - begun
    finally:
        gc.enable()


def median(figures: list[float]) -> float:
    """Return the median of a contender's rounds."""
    return statistics.median(figures)


def quietest(figures: list[float]) -> float:
    """Return a contender's best round.

    For work of tens of milliseconds, of which hardly any goes undisturbed on a shared machine, the median says how
    busy the others were. What disturbs only adds, so the best round says what the work itself takes.
    """
    return min(figures)


def ratio(figures: Mapping[str, list[float]], above: str, below: str) -> float:
    """Return the median, over the rounds, of one contender's cost divided by another's in the same round."""
    return statistics.median(a / b for a, b in zip(figures[above], figures[below], strict=True))


def quiet_ratio(figures: Mapping[str, list[float]], above: str, below: str) -> float:
    """Return one contender's best round divided by another's."""
    return quietest(figures[above]) / quietest(figures[below])


def added(figures: Mapping[str, list[float]], above: str, base: str) -> list[float]:
    """Return what a contender adds to a base, round by round."""
    return [with_ - without for with_, without in zip(figures[above], figures[base], strict=True)]


def added_ratio(
    figures: Mapping[str, list[float]], above: str, below: str, base: str, other_base: str | None = None
) -> float:
    """Return the median ratio of what two contenders add to a base, or each to its own, round by round."""
    rounds = zip(added(figures, above, base), added(figures, below, other_base or base), strict=True)
    return statistics.median(a / b for a, b in rounds)


def in_turn(calls: Iterable[Work]) -> Work:
    """Return what makes the next of some calls, round and round."""
    endless = cycle(calls)

    def work() -> Awaitable[Any]:
        return next(endless)()

    return work


async def at_once(call: Work, callers: int, calls: int) -> None:
    """Have many callers on one loop make so many calls each."""

    async def agent() -> None:
        for _ in range(calls):
            await call()

    await asyncio.gather(*(agent() for _ in range(callers)))
