"""Packs: the records of a list once more, in one entry, so that the list costs no request for each of them.

A pack is a cache, of a page of an index in order of insertion. What it has of a record is used only if the record
names the version that its index entry has now:

- Who writes or deletes a record reads it, renews its index entries, which gives them versions that nothing names
  yet, and writes on the condition that the record is as it was read. A new record names the new versions.
- Who lists reads the pack, then the index, then what the pack does not have; and writes the pack anew on the
  condition that it is as it was read.
- Who deletes a record, or moves it, deletes the packs after the entry was renewed and before the record goes. A
  list that read the pack before that cannot write it; one that comes later packs nothing whose entry was renewed.
  For the same reason a pack begins empty: the first list that would profit makes it, the second fills it.

A record with an entry of a unique index is in no pack: its writer may take it back without a renewal.

A pack is the SHA-256 of its place, NUL and the rest; then for each record four lengths of 4 bytes, and its place,
version, metadata and value. What is torn, or was copied from another place, has another digest, and is as good
as none.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from struct import Struct, error
from typing import TYPE_CHECKING, NamedTuple, Self

from storescope import StorageError
from storescope.backends._kv._engine import ABSENT, Entry
from storescope.backends._kv._record import entry_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storescope.backends._kv._engine import Expected, KvEngine

FEW, SHARE = 32, 8
"""A pack is written anew when more than 32 records, and more than an eighth of them, would come into it or go."""

_LARGE = 65_536  # bytes of a value that is not worth a place in a pack: a request for it is no waste
_MOST = 16 * 2**20  # bytes of a pack's values
_DIGEST = 32  # bytes
_LENGTHS = Struct(">IIII")


class Wanted(NamedTuple):
    """A record that a list needs.

    Attributes:
        place: The record's.
        tail: That of the index entry that found it.
        version: The version that this entry has.
    """

    place: str
    tail: str
    version: str


class Pack:
    """The pack of one page, as it was before the page was read."""

    def __init__(self, engine: KvEngine, place: str, version: Expected, kept: dict[str, Entry]) -> None:
        self._engine = engine
        self._place = place
        self._version = version
        self._kept = kept

    @classmethod
    async def read(cls, engine: KvEngine, place: str) -> Self:
        """Read a pack; one that is missing, or no pack, has nothing."""
        entry = await engine.get(place)
        if entry is None:
            return cls(engine, place, ABSENT, {})
        return cls(engine, place, entry.version, _parse(place, entry.value))

    def find(self, wanted: Wanted) -> Entry | None:
        """Return a record if the pack has it as it is now."""
        entry = self._kept.get(wanted.place)
        return entry if entry is not None and _names(entry, wanted) else None

    async def renew(self, wanted: Sequence[Wanted], found: Sequence[Entry | None]) -> None:
        """Write the pack anew, if enough would come into it, or go. That it cannot be written is no error."""
        packed = _choose(wanted, found)
        new = sum(self._kept.get(place) is not entry for place, entry in packed.items())
        if new + len(self._kept.keys() - packed) <= max(FEW, len(packed) // SHARE):
            return
        value = b"" if self._version is ABSENT else _write(self._place, packed)
        with suppress(StorageError):  # the list is read: without a pack the next costs more
            await self._engine.put(self._place, value, expected=self._version)


def _names(entry: Entry, wanted: Wanted) -> bool:
    return entry_version(entry, wanted.tail) == wanted.version


def _choose(wanted: Iterable[Wanted], found: Iterable[Entry | None]) -> dict[str, Entry]:
    """Return what goes into a pack, by its place: the first records that fit."""
    chosen: dict[str, Entry] = {}
    size = 0
    for want, entry in zip(wanted, found, strict=True):
        if entry is None or len(entry.value) > _LARGE or not (entry.whole and _names(entry, want)):
            continue
        size += len(entry.value)
        if size > _MOST:
            break
        chosen[want.place] = entry
    return chosen


def _write(place: str, records: dict[str, Entry]) -> bytes:
    parts: list[bytes] = []
    for key, entry in records.items():
        fields = (key.encode(), entry.version.encode(), entry.metadata, entry.value)
        parts += [_LENGTHS.pack(*map(len, fields)), *fields]
    rest = b"".join(parts)
    return _digest(place, rest) + rest


def _parse(place: str, pack: bytes) -> dict[str, Entry]:
    rest = memoryview(pack)[_DIGEST:]
    if pack[:_DIGEST] != _digest(place, rest):
        return {}
    records: dict[str, Entry] = {}
    with suppress(error, UnicodeDecodeError):  # its writer was none of ours
        at = 0
        while at < len(rest):
            fields: list[bytes] = []
            lengths = _LENGTHS.unpack_from(rest, at)
            at += _LENGTHS.size
            for length in lengths:
                fields.append(bytes(rest[at : at + length]))
                at += length
            records[fields[0].decode()] = Entry(fields[3], fields[1].decode(), fields[2])
    return records


def _digest(place: str, rest: bytes | memoryview) -> bytes:
    digest = sha256(place.encode() + b"\0")
    digest.update(rest)
    return digest.digest()
