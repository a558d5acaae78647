"""`create_kv`: from a URL to stores. Nothing is opened before one of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from storescope.backends._kv._connection import Connection
from storescope.backends._kv._index import check_part
from storescope.backends._kv._open_engine import find_engine
from storescope.backends._kv._store import Store
from storescope.backends._options import Target, read_options
from storescope.reports import BackendReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from storescope.backends._kv._index import Index


class KV:
    """Keys and values in one place, under one prefix. `create_kv` makes one.

    It opens its connections at first use, and belongs to the event loop of that use. `async with kv:` or
    `await kv.aclose()` closes them; used after that, it opens them anew.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._root: Store[Any, Any] = Store(connection, prefix, {})

    def store(self, prefix: str, *, indexes: Mapping[str, Index] | None = None) -> Store[Any, Any]:
        """Return a store of records whose keys begin with `prefix`.

        Args:
            prefix: `message/` for example. Stores whose prefixes begin alike see each other's records.
            indexes: Names of indexes, and what they find records by.

        Raises:
            BackendError: If the prefix or a name is no text, or has control characters.
        """
        return self._root.store(prefix, indexes=indexes)

    async def aclose(self) -> None:
        """Give back connections and threads; a second call does nothing."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        await self._connection.engine()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def create_kv(url: str, prefix: str = "", **options: Any) -> KV:
    """Name a place for keys and values. Nothing is opened before it is used, so a module may do this at its top.

    Args:
        url: `memory:`, `local:PATH`, `redis://`, `rediss://`, `postgresql://` or `s3://BUCKET/PREFIX`.
        prefix: What all keys begin with, `myapp/` for example.
        **options: The store's own, as `open_backend` takes them. On Redis, whose own `prefix` comes before all
            keys, that one stands in the URL: `redis://localhost?prefix=storescope`.

    Returns:
        The place.

    Raises:
        BackendError: If the URL, the prefix or an option cannot be used. What the store itself refuses is raised
            by the first call that uses it.
        MissingExtraError: If a package for this store is not installed.
    """
    target = Target.parse(url)
    engine_class = find_engine(target.scheme)
    read = read_options(engine_class.Options, options, target.query)
    check_part(prefix, "a prefix")
    return KV(Connection(lambda report: engine_class.open(target, read, report), BackendReport()), prefix)
