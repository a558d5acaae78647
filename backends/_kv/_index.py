"""Indexes, and where their entries lie.

| what | key in the engine |
|---|---|
| a record | `r/` PREFIX KEY |
| an entry of a plain index | `i/` PREFIX 1 NAME 1 TEXT 1 NUMBER 1 KEY |
| of a unique one: the owner's key, and beside it whose it was before | `i/` PREFIX 1 NAME 1 TEXT 1 |

1 is the character U+0001, lower than all that may stand in between. What stands between PREFIX and KEY is the
entry's *tail*. A record keeps its own tails beside it, so that neither a reader who checks an entry nor a writer
who takes old ones away needs the record's value, or the functions of that time. NUMBER is empty in an index that
is in order of key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from storescope import BackendError, InvalidRecordError, UnsupportedOperationError
from storescope.backends._kv._engine import check_key

if TYPE_CHECKING:
    from storescope.backends._kv._engine import Entry

_END = "\x01"
_ESCAPES = str.maketrans({"\x01": "\x02\x02", "\x02": "\x02\x03"})
_ENDS_OF_UNIQUE = 2

KeyOf: TypeAlias = Callable[[Any], str | Iterable[str] | None]
"""From a value to what the index finds it by; None for a value that it leaves out."""


@dataclass(frozen=True, slots=True)
class Index:
    """What records can be found by beside their key.

    Attributes:
        key: From a value to the text that finds it; None leaves it out. With `multi`, to several texts.
        unique: Whether no two records may have the same text.
        multi: Whether `key` returns several.
        order: How the records that one text finds are sorted: by `key`, or by `insertion`: those that came to have
            this text first come first, and a change of theirs leaves them where they are.
    """

    key: KeyOf
    unique: bool = False
    multi: bool = False
    order: Literal["key", "insertion"] = "key"

    def __post_init__(self) -> None:
        if self.order not in {"key", "insertion"}:
            raise BackendError("the order of an index must be 'key' or 'insertion'")

    def starts(self, name: str, value: Any) -> list[str]:
        """Return what the tails of a record's entries begin with.

        Raises:
            InvalidRecordError: If `key` returns something else than it should.
        """
        found = self.key(value)
        if found is None:
            return []
        texts = found if self.multi and isinstance(found, Iterable) else [found]
        return [start_of(name, text) for text in dict.fromkeys(texts)]


def start_of(name: str, text: Any) -> str:
    """Return what the tails of all entries of one text begin with."""
    if not isinstance(text, str):
        raise InvalidRecordError(f"the index {name} finds records by strings, and was given something else")
    return f"{name}{_END}{text.translate(_ESCAPES)}{_END}"


class Places:
    """Where a store's records and its index entries lie."""

    def __init__(self, prefix: str, indexes: Mapping[str, Index]) -> None:
        for name in indexes:
            check_part(name, "the name of an index")
        self.indexes = indexes
        self._records = f"r/{prefix}"
        self.entries = f"i/{prefix}{_END}"

    def record(self, key: str) -> str:
        """Return a record's place.

        Raises:
            InvalidRecordError: If no engine could keep this key.
        """
        check_key(key)
        return check_key(self._records + key)

    def records(self, prefix: str) -> str:
        """Return what the places of some records begin with."""
        return check_key(self._records + prefix)

    def key(self, place: str) -> str:
        """Return the key of the record at a place."""
        return place[len(self._records) :]

    def starts(self, value: Any) -> list[str]:
        """Return what the tails of all the entries that a value should have begin with."""
        return [start for name, index in self.indexes.items() for start in index.starts(name, value)]

    def tail(self, start: str, number: int | None) -> str:
        """Return the tail that begins so; a number is its place in an order of insertion."""
        if self.index(index_name(start)).unique:
            return start
        return f"{start}{'' if number is None else f'{number:016x}'}{_END}"

    def is_numbered(self, start: str) -> bool:
        """Return whether entries that begin so are in order of insertion."""
        index = self.index(index_name(start))
        return index.order == "insertion" and not index.unique

    def entry(self, tail: str, key: str) -> str:
        """Return the place of an entry."""
        return check_key(self.entries + tail + ("" if is_unique(tail) else key))

    def start(self, name: str, text: Any) -> str:
        """Return what the places of all entries of one text begin with."""
        self.index(name)
        return check_key(self.entries + start_of(name, text))

    def index(self, name: str) -> Index:
        """Return an index.

        Raises:
            UnsupportedOperationError: If the store has none of this name.
        """
        index = self.indexes.get(name)
        if index is None:
            known = ", ".join(self.indexes) or "none"
            raise UnsupportedOperationError(f"this store has no such index; it has {known}")
        return index

    def split(self, place: str) -> tuple[str, str]:
        """Return tail and key of a plain index's entry."""
        tail = place[len(self.entries) :]
        name, text, order, key = tail.split(_END, 3)
        return f"{name}{_END}{text}{_END}{order}{_END}", key


def claimants(entry: Entry) -> list[str]:
    """Return the keys of the records that may have an entry of a unique index: its owner, then who had it."""
    return [entry.value.decode(), *filter(None, entry.metadata.decode().split("\0"))]


def is_unique(tail: str) -> bool:
    """Return whether a tail, or a whole place without its `i/PREFIX`, is of a unique index."""
    return tail.count(_END) == _ENDS_OF_UNIQUE


def index_name(tail: str) -> str:
    """Return the name of the index that a tail belongs to."""
    return tail.partition(_END)[0]


def check_part(text: str, what: str) -> str:
    """Hold a prefix, or an index's name, to what keeps all places apart, and return it.

    Raises:
        BackendError: If it is no string, or holds a character below U+0020.
    """
    if not isinstance(text, str) or any(char < " " for char in text):
        raise BackendError(f"{what} must be a string without control characters")
    if text:
        check_key(text)
    return text
