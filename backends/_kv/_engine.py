"""TEMPORARY stand-in until the branch kv has it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from storescope.errors import VersionConflictError

ABSENT: Any = object()
ANY: Any = object()


class Entry(NamedTuple):
    key: str
    value: bytes
    version: str


class KvEngine(Protocol):
    async def get(self, key: str) -> Entry | None: ...
    async def put(self, key: str, value: bytes, *, expected: Any = ANY) -> str: ...
    async def delete(self, key: str, *, expected: Any = ANY) -> bool: ...
    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> list[Entry]: ...
    async def aclose(self) -> None: ...


class MemoryKv:
    def __init__(self) -> None:
        self.rows: dict[str, Entry] = {}
        self._n = 0

    def _check(self, key: str, expected: Any) -> None:
        row = self.rows.get(key)
        if expected is ANY:
            return
        if (expected is ABSENT) != (row is None) or (row is not None and row.version != expected):
            raise VersionConflictError("the key was written meanwhile")

    async def get(self, key: str) -> Entry | None:
        return self.now_get(key)

    async def put(self, key: str, value: bytes, *, expected: Any = ANY) -> str:
        return self.now_put(key, value, expected)

    async def delete(self, key: str, *, expected: Any = ANY) -> bool:
        return self.now_delete(key, expected)

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> list[Entry]:
        return self.now_list(prefix, after, limit)

    def now_get(self, key: str) -> Entry | None:
        return self.rows.get(key)

    def now_put(self, key: str, value: bytes, expected: Any) -> str:
        self._check(key, expected)
        self._n += 1
        self.rows[key] = Entry(key, value, str(self._n))
        return str(self._n)

    def now_delete(self, key: str, expected: Any) -> bool:
        self._check(key, expected)
        return self.rows.pop(key, None) is not None

    def now_list(self, prefix: str, after: str | None, limit: int) -> list[Entry]:
        return [self.rows[key] for key in sorted(self.rows) if key.startswith(prefix) and key > (after or "")][
            :limit
        ]

    async def aclose(self) -> None: ...


async def open_engine(url: str) -> KvEngine:
    return MemoryKv()
