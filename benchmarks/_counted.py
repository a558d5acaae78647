"""What `instructions` has counted: the stacks and the inlined function, one after the other.

The lots of calls that are counted differ in length, so that what the marks cost is in both and falls out.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._callgrind import mark
from benchmarks._stacks import BACKEND, LAYERS, REGION, bare_get, inlined, stack
from storescope import call_context

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks._rounds import Work

WARM_UP, SHORT, LONG = 200, 100, 1_100
"""How many calls: until the interpreter has adapted to them, and in the lots that are counted."""

COUNTED: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "inlined by hand, sampled": ("sampled", None),
    "full stack, sampled": ("sampled", LAYERS),
    "inlined by hand, unsampled": ("unsampled", None),
    "full stack, unsampled": ("unsampled", LAYERS),
    "no layer": ("unsampled", ()),
    "tracing, sampled": ("sampled", ("tracing",)),
    "tracing, unsampled": ("unsampled", ("tracing",)),
    **{name: ("unsampled", (name,)) for name in LAYERS[1:]},
}
"""Name -> sampling, and the layers, or None for the inlined function. Only tracing samples."""


def per_call(parts: list[int]) -> dict[str, float]:
    """Return name -> instructions a call, from what was counted between the marks."""
    lots = parts[1:]  # what comes before the first mark is the start
    return {name: (lots[3 * at + 1] - lots[3 * at]) / (LONG - SHORT) for at, name in enumerate(COUNTED)}


async def _main() -> None:
    for sampling, layers in COUNTED.values():
        with tempfile.TemporaryDirectory() as folder, _work(Path(folder), sampling, layers) as work:
            await _calls(work, WARM_UP)
            mark()
            await _calls(work, SHORT)
            mark()
            await _calls(work, LONG)
            mark()


@contextmanager
def _work(folder: Path, sampling: str, layers: tuple[str, ...] | None) -> Generator[Work]:
    id_ = "session-0123456789"
    with call_context(tenant="acme", actor="bench", region=REGION):
        if layers is None:
            yield partial(inlined(folder, sampling), id=id_)
            return
        with stack({"session.get": bare_get}, folder, sampling, layers, backend=BACKEND) as get:
            yield partial(get, id=id_)


async def _calls(work: Work, count: int) -> None:
    for _ in range(count):
        await work()


if __name__ == "__main__":
    logging.getLogger("storescope").setLevel(logging.ERROR)
    gc.collect()
    gc.disable()
    asyncio.run(_main())
