"""`redis://` and `rediss://`: one hash for each entry, and a sorted set of all keys.

The sorted set has equal scores, so that Redis keeps it in order of bytes. No record of `open_backend("redis://")`
can have one of these keys: a tenant's name is percent-encoded there, and has no `$`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from storescope.backends._kv._engine import (
    ABSENT,
    ANY,
    NO_LIMIT,
    Entry,
    Listed,
    Page,
    conflict,
    new_version,
    page_of,
    range_end,
)
from storescope.backends._redis import RedisEngine
from storescope.backends._redis._connect import RedisOptions
from storescope.backends._redis._errors import check_size
from storescope.backends._redis._scripts import Script
from storescope.backends._tables import Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.backends._kv._engine import Expected
    from storescope.backends._options import Target
    from storescope.reports import BackendReport

_FOLDER = Path(__file__).parent
_CONDITIONS: dict[Expected, str] = {ANY: "*", ABSENT: ""}


class RedisKv:
    """The entries of one server, under one prefix."""

    Options: ClassVar = RedisOptions
    packs = False  # a list is one request, or two

    def __init__(self, engine: RedisEngine) -> None:
        self.info = engine.info
        self.marker = engine.marker
        self._server = engine.server
        self._entries = f"{self._server.prefix}:$kv:entry:"
        self._all = f"{self._server.prefix}:$kv:keys"
        self._numbers = f"{self._server.prefix}:$kv:numbers"
        scripts = {name: _load(engine, name) for name in ("get", "put", "delete", "list")}
        self._get, self._put, self._delete, self._list = scripts.values()

    @classmethod
    async def open(cls, target: Target, options: RedisOptions, report: BackendReport) -> Self:
        """Connect to the server that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the server cannot be reached or used.
        """
        return cls(await RedisEngine.open(target, options, Site("shared", report)))

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        return (await self.get_many([key], max_bytes=NO_LIMIT))[0]

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each key, in one round trip, without values larger than `max_bytes`."""
        places = tuple(self._entries + key for key in keys)
        found: list[Any] = await self._server.read(self._get, places, (str(max_bytes),))
        return [_entry(*each) if each else None for each in found]

    async def put(self, key: str, value: bytes, *, metadata: bytes = b"", expected: Expected = ANY) -> str:
        """Write, and return the new version."""
        check_size(max(len(value), len(metadata)), self._server.max_bytes)
        version = new_version()
        condition = _CONDITIONS.get(expected, expected)
        arguments = (key, version, metadata, value, str(condition))
        if not await self._server.write(self._put, (self._entries + key, self._all), arguments):
            raise conflict()
        return version

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something."""
        arguments = (key, str(_CONDITIONS.get(expected, expected)))
        deleted: int = await self._server.write(self._delete, (self._entries + key, self._all), arguments)
        if deleted < 0:
            raise conflict()
        return deleted > 0

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`, in order."""
        first = f"({after}" if after is not None and after >= prefix else f"[{prefix}"
        end = range_end(prefix)
        last = "+" if end is None else f"({end}"
        found: list[bytes] = await self._server.read(
            self._list, (self._all,), (self._entries, first, last, str(limit))
        )
        keys = [
            Listed(key.decode(), version.decode()) for key, version in zip(found[::2], found[1::2], strict=True)
        ]
        return page_of(keys, limit)

    async def next_number(self) -> int:
        """Return a number above all that this gave before."""
        number: int = await self._server.write(self._server.client.incr, self._numbers)
        return number

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()


def _entry(version: bytes, metadata: bytes, value: bytes | None) -> Entry:
    return Entry(value or b"", version.decode(), metadata, value is not None)


def _load(engine: RedisEngine, name: str) -> Script:
    return Script(engine.server.client, (_FOLDER / f"kv_{name}.lua").read_text())
