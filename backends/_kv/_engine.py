"""What the KV layer asks of a store: values by key, each write under a condition, and keys in order.

On `memory:`, `local:`, Redis and Postgres every operation on a key is linearizable: it sees all that was
acknowledged before it began.
"""

from __future__ import annotations

from enum import Enum
from secrets import token_hex
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from storescope import InvalidRecordError, VersionConflictError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from storescope import BackendInfo
    from storescope.backends._tables import MarkerStore

MAX_KEY_BYTES = 1024
"""The longest key, in bytes of UTF-8: what S3 takes. Postgres could not index many more either."""

NO_LIMIT = 2**62
"""For `get_many`: values of any size."""

_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class Condition(Enum):
    """On what a write depends, where it is not one version."""

    ANY = "any"
    ABSENT = "absent"


ANY: Final = Condition.ANY
"""Write whatever is there."""

ABSENT: Final = Condition.ABSENT
"""Write only if there is nothing."""

Expected: TypeAlias = str | Condition
"""A version: write only if it is still that one."""


class Entry(NamedTuple):
    """What is stored under a key.

    Attributes:
        value: The value.
        version: Changes with every write, and never comes back for this key, not even after it was deleted.
        metadata: What was stored beside the value.
        whole: Whether the value is there. If not, it was asked for only up to a size, and is larger.
    """

    value: bytes
    version: str
    metadata: bytes = b""
    whole: bool = True


class Listed(NamedTuple):
    """A key that a list found, and the version that it had."""

    key: str
    version: str


class Page(NamedTuple):
    """A part of a list.

    Attributes:
        keys: Some keys, in order of their UTF-8 bytes.
        after: What to give to the next `list`; None after the last page.
    """

    keys: list[Listed]
    after: str | None


class KvEngine(Protocol):
    """Values by key. Keys are non-empty text without NUL and lone surrogates; `check_key` holds them to it.

    Everything raises `BackendError` if the store fails, with `maybe_applied` where the answer to a write was lost.
    """

    @property
    def info(self) -> BackendInfo:
        """What telemetry knows of the store."""
        ...

    @property
    def marker(self) -> MarkerStore:
        """The store's residency marker, apart from all keys."""
        ...

    @property
    def packs(self) -> bool:
        """Whether the records of a list are kept together too (`_pack.py`): where each costs a request."""
        ...

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        ...

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each of some keys, as `get` does.

        Args:
            keys: At most some hundred.
            max_bytes: Values that are larger are left out: their entries are not `whole`.
        """
        ...

    async def put(self, key: str, value: bytes, *, metadata: bytes = b"", expected: Expected = ANY) -> str:
        """Write, and return the new version.

        Raises:
            VersionConflictError: If what is there is not what was expected. Nothing was written.
            RecordTooLargeError: If the store cannot hold it. Nothing was written.
        """
        ...

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something to delete.

        Raises:
            VersionConflictError: If another version is there than was expected. Nothing there is no conflict.
        """
        ...

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`, in order.

        Args:
            prefix: May be empty.
            after: Only keys that come after this one.
            limit: How many keys a page has, at most.
        """
        ...

    async def next_number(self) -> int:
        """Return a number above all that this gave before, in whichever process."""
        ...

    async def aclose(self) -> None:
        """Give back what is held open; a second call does nothing."""
        ...


async def all_keys(engine: KvEngine, prefix: str) -> AsyncIterator[Listed]:
    """Go through the keys that begin with `prefix`, in order; they may be deleted meanwhile."""
    after: str | None = None
    while True:
        found = await engine.list(prefix, after=after, limit=200)
        for listed in found.keys:
            yield listed
        after = found.after
        if after is None:
            return


def check_key(key: str) -> str:
    """Hold a key to what every engine can keep, and return it.

    Raises:
        InvalidRecordError: If it is empty or too long, or holds a NUL or a lone surrogate.
    """
    if not isinstance(key, str) or not key:
        raise InvalidRecordError("a key must be a non-empty string")
    if "\0" in key:
        raise InvalidRecordError("the key holds a NUL")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidRecordError("the key holds a lone surrogate, which is not UTF-8") from None
    if size > MAX_KEY_BYTES:
        raise InvalidRecordError(f"the key, with all prefixes, is longer than {MAX_KEY_BYTES} bytes of UTF-8")
    return key


def new_version() -> str:
    """Return a version that no write had before: 96 random bits."""
    return token_hex(12)


def conflict() -> VersionConflictError:
    """Return the error for a write whose condition does not hold."""
    return VersionConflictError("what is stored under this key is not the version that was expected")


def page_of(keys: list[Listed], limit: int) -> Page:
    """Return a page; a full one may have another after it."""
    return Page(keys, keys[-1].key if len(keys) >= limit else None)


def range_end(prefix: str) -> str | None:
    """Return the first text that comes after all that begin with `prefix`; None if there is none."""
    for length in range(len(prefix), 0, -1):
        last = ord(prefix[length - 1])
        if last < _LAST:
            following = last + 1 if last + 1 not in _SURROGATES else _SURROGATES.stop
            return prefix[: length - 1] + chr(following)
    return None
