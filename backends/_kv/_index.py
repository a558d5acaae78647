"""Indexes, and where their entries lie.

| what | key in the engine |
|---|---|
| a record | `r/` PREFIX KEY |
| an entry of a plain index | `i/` PREFIX 1 NAME 1 VALUE 1 ORDER 1 KEY |
| of a unique one, with the owner's key as its value | `i/` PREFIX 1 NAME 1 VALUE 1 |

1 is the character U+0001, lower than all that may stand in between. What stands between PREFIX and KEY is the
entry's *tail*. A record keeps its own tails beside it, so that neither a reader who checks an entry nor a writer
who takes old ones away needs the record's value, or the functions of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from storescope import BackendError, InvalidRecordError, UnsupportedOperationError
from storescope.backends._kv._engine import check_key

_END = "\x01"
_ESCAPES = str.maketrans({"\x01": "\x02\x02", "\x02": "\x02\x03"})  # keeps the order
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
        order: From a value to a text by which the records found are sorted; without it they come in order of key.
            Not for a unique index.
    """

    key: KeyOf
    unique: bool = False
    multi: bool = False
    order: Callable[[Any], str] | None = None

    def __post_init__(self) -> None:
        if self.unique and self.order:
            raise BackendError("a unique index finds one record: it takes no order")

    def tails(self, name: str, value: Any) -> list[str]:
        """Return the tails of a record's entries.

        Raises:
            InvalidRecordError: If a function returns something else than it should.
        """
        found = self.key(value)
        if found is None:
            return []
        texts = list(found) if self.multi and not isinstance(found, str) else [found]
        order = "" if self.order is None else self.order(value)
        return [self.tail(name, text, order) for text in dict.fromkeys(texts)]

    def tail(self, name: str, text: Any, order: str = "") -> str:
        """Return the tail of an entry."""
        if not isinstance(text, str) or not isinstance(order, str):
            raise InvalidRecordError(f"the functions of the index {name} must return strings")
        return self.start(name, text) + ("" if self.unique else escape(order) + _END)

    def start(self, name: str, text: str) -> str:
        """Return what the tails of all entries with one text begin with."""
        return f"{name}{_END}{escape(text)}{_END}"


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

    def tails(self, value: Any) -> list[str]:
        """Return the tails of all the entries that a value should have."""
        return [tail for name, index in self.indexes.items() for tail in index.tails(name, value)]

    def entry(self, tail: str, key: str) -> str:
        """Return the place of an entry."""
        return check_key(self.entries + tail + ("" if is_unique(tail) else key))

    def start(self, name: str, text: Any) -> str:
        """Return what the places of all entries of one text begin with."""
        index = self.index(name)
        if not isinstance(text, str):
            raise InvalidRecordError(f"the index {name} finds records by a string")
        return check_key(self.entries + index.start(name, text))

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


def is_unique(tail: str) -> bool:
    """Return whether a tail, or a whole place without its `i/PREFIX`, is of a unique index."""
    return tail.count(_END) == _ENDS_OF_UNIQUE


def index_name(tail: str) -> str:
    """Return the name of the index that a tail belongs to."""
    return tail.partition(_END)[0]


def escape(text: str) -> str:
    """Write a text so that it holds no end, and texts keep their order."""
    return text.translate(_ESCAPES)


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
