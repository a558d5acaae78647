"""Reads TOML tables key by key; every complaint names the file, the key and what is allowed."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from storescope.errors import PolicyError
from storescope.middleware._region._instants import EXAMPLE, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Table:
    """One table of the file."""

    def __init__(self, source: str, path: str, data: dict[str, Any]) -> None:
        self._source = source
        self._path = path
        self._data = data

    def fail(self, key: str, allowed: str) -> NoReturn:
        """Raise the one line that says what is wrong."""
        name = one_line(self._name(key))
        raise PolicyError(one_line(f"{self._source}: {name}: {allowed}"), key=name)

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Return whether the key is given."""
        return key in self._data

    def names(self) -> list[str]:
        """Return the table's keys."""
        return list(self._data)

    def only(self, *known: str) -> None:
        """Refuse keys that are not known."""
        for key in self._data:
            if key not in known:
                self.fail(key, f"unknown key{_nearest(key, known)}; allowed are {', '.join(known)}")

    def _get(self, key: str) -> Any:
        if key not in self._data:
            self.fail(key, "is missing")
        return self._data[key]

    def text(self, key: str) -> str:
        """Return a non-empty string."""
        value = self._get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, "must be a non-empty string")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return a string that is one of `allowed`."""
        value = self.text(key)
        if value not in allowed:
            self.fail(key, f"{value!r} is not allowed{_nearest(value, allowed)}; {_listed(allowed)}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of one or more non-empty strings."""
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
            self.fail(key, "must be a list of one or more non-empty strings")
        return value

    def choices(self, key: str, allowed: tuple[str, ...]) -> list[str]:
        """Return a list of strings that are all among `allowed`."""
        values = self.texts(key)
        for value in values:
            if value not in allowed:
                self.fail(key, f"there is no {value!r}{_nearest(value, allowed)}; {_listed(allowed)}")
        return values

    def instant(self, key: str) -> float:
        """Return a point in time, given with its offset from UTC, in seconds since 1970."""
        seconds = seconds_of(self._get(key))
        if seconds is None:
            self.fail(key, f"must be a date and time with an offset, {EXAMPLE}")
        return seconds

    def table(self, key: str) -> Table:
        """Return a table that must be there."""
        value = self._get(key)
        if not isinstance(value, dict):
            self.fail(key, "must be a table")
        return Table(self._source, self._name(key), value)

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Return the tables inside this one."""
        for name in self._data:
            yield name, self.table(name)

    def array(self, key: str) -> Iterator[Table]:
        """Return the tables of an array of tables; none if it is not there."""
        values = self._data.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.fail(key, f"must be tables, each under [[{key}]]")
        for position, value in enumerate(values):
            yield Table(self._source, f"{self._name(key)}[{position}]", value)


def one_line(text: str) -> str:
    """Return the text with what could break its line escaped: a file's keys and values may hold anything."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _nearest(value: str, allowed: tuple[str, ...]) -> str:
    near = get_close_matches(value, allowed, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _listed(allowed: tuple[str, ...]) -> str:
    return f"allowed are {', '.join(allowed)}" if allowed else "there are none to choose from"
