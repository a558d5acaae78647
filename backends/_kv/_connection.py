"""An engine that is opened when it is first wanted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.backends._kv._engine import KvEngine
    from storescope.reports import BackendReport


class Connection:
    """An engine that is opened when it is first wanted, and what it counts."""

    def __init__(self, open_: Callable[[BackendReport], Awaitable[KvEngine]], report: BackendReport) -> None:
        self.report = report
        self._open = open_
        self._opened: KvEngine | None = None
        self._lock = asyncio.Lock()

    async def engine(self) -> KvEngine:
        """Return the open engine. Of several who want it first, one opens it."""
        if self._opened is None:
            async with self._lock:
                if self._opened is None:
                    engine = await self._open(self.report)
                    self.report.begin(engine.info)
                    self._opened = engine
        return self._opened

    async def aclose(self) -> None:
        """Close the engine, if it is open."""
        engine, self._opened = self._opened, None
        if engine is not None:
            await engine.aclose()
