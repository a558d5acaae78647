"""A unique index under every schedule: of those who write one text at once, one at most keeps it, and is found."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from storescope import IndexConflictError
from storescope.backends import Index, create_kv
from storescope.backends._kv._memory import MemoryKv
from tests.rounds import SCALE

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.backends import Store

SEEDS = 400 * SCALE
WRITERS = 4
OPERATIONS = ("get", "get_many", "put", "delete")
"""What a writer, or who reindexes, waits for."""


def delayed(real: Callable[..., Any], chance: random.Random) -> Callable[..., Any]:
    async def delayed_(*arguments: Any, **options: Any) -> Any:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        result = await real(*arguments, **options)
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        return result

    return delayed_


@pytest.fixture
def chance(monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """Others get on wherever an engine is waited for; the seed says how far."""
    made = random.Random()
    for name in OPERATIONS:
        monkeypatch.setattr(MemoryKv, name, delayed(getattr(MemoryKv, name), made))
    return made


async def gets_it(store: Store[Any, Any], key: str) -> bool:
    try:
        await store.set(key, {"slug": "x"})
    except IndexConflictError:
        return False
    return True


@pytest.mark.unmeasured
async def test_one_text_has_one_record_whatever_the_schedule(chance: random.Random) -> None:
    """A third writer that takes the entry for a moment must not hide whose it was."""
    for seed in range(SEEDS):
        chance.seed(seed)
        async with create_kv("memory:", "p/") as kv:
            store = kv.store("m/", indexes={"by_slug": Index(key=lambda m: m["slug"], unique=True)})

            writers = [gets_it(store, f"m{number}") for number in range(WRITERS)]
            got = await asyncio.gather(*writers, *([store.reindex()] if seed % 2 else []))
            winners = [f"m{number}" for number in range(WRITERS) if got[number]]
            assert [key async for key, _ in store.entries()] == winners, seed
            assert [key async for key, _ in store.entries(by_slug="x")] == winners, seed
            assert len(winners) <= 1, seed
