"""`kv+memory:`, `kv+local:`, `kv+redis://` and the others: the tables of agents on an engine of the KV layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.backends._kv._open_engine import find_engine
from storescope.backends._kv._tables import KvTable

if TYPE_CHECKING:
    from storescope import BackendInfo
    from storescope.backends._kv._engine import KvEngine
    from storescope.backends._options import Target
    from storescope.backends._tables import MarkerStore, Site
    from storescope.reports import BackendReport


class KvTables:
    """The tables on one engine."""

    def __init__(self, engine: KvEngine, report: BackendReport) -> None:
        self._engine = engine
        self.info: BackendInfo = engine.info
        self.marker: MarkerStore = engine.marker
        self.session = KvTable("session", engine, report)
        self.message = KvTable("message", engine, report, in_session=True)
        self.part = KvTable("part", engine, report, in_session=True)
        self.sandbox = KvTable("sandbox", engine, report)
        self.setup = KvTable("setup", engine, report)

    async def aclose(self) -> None:
        """Give back what the engine holds open."""
        await self._engine.aclose()


class KvScheme:
    """Opens the tables on the engine of one scheme."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    @property
    def Options(self) -> type[Any]:  # noqa: N802 (the name that engines give their options' class)
        """The engine's options."""
        return find_engine(self._scheme).Options

    async def open(self, target: Target, options: Any, site: Site) -> KvTables:
        """Open the store that the URL names, without its `kv+`.

        Raises:
            BackendError: If the URL is malformed, or the store cannot be reached or used.
        """
        below = target.below(self._scheme)
        return KvTables(await find_engine(self._scheme).open(below, options, site.report), site.report)


LOCAL, MEMORY, POSTGRES = KvScheme("local"), KvScheme("memory"), KvScheme("postgresql")
REDIS, REDISS, S3 = KvScheme("redis"), KvScheme("rediss"), KvScheme("s3")
