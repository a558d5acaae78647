"""Trying again, while what fails may succeed later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from storescope import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")
_SECONDS = 100.0  # a server may be down, and a process that is gone waited for; less than a test may take


async def patiently(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Return what an attempt returns, once it does.

    Raises:
        StorageError: If it ended in one that no other attempt would better.
        TimeoutError: If it takes longer.
    """
    async with asyncio.timeout(_SECONDS):
        while True:
            try:
                return await attempt()
            except StorageError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(0.05)
