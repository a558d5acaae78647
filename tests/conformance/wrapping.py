"""The ways in which the backends are wrapped before the suite runs on them; other processes load this file too."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from storescope.backends import open_backend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from storescope import Handlers


def bare(handlers: Handlers) -> Handlers:
    return handlers


WRAPPERS: dict[str, Callable[[Handlers], Handlers]] = {"bare": bare}


@asynccontextmanager
async def open_wrapped(url: str, wrapper: str) -> AsyncGenerator[Handlers]:
    """Open a backend, wrapped: in the test, and in the processes that share its store."""
    async with open_backend(url) as backend:
        yield WRAPPERS[wrapper](backend)
