"""The parts of a backend's URL, and its options: from keywords or from the URL's query, each with its type.

No error here repeats what was given: a password whose `?` was not escaped ends up anywhere in a URL.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints
from urllib.parse import parse_qsl

from storescope import BackendError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OptionsT = TypeVar("_OptionsT")


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it may hold a password
class Target:
    """A backend's URL, taken apart.

    Attributes:
        scheme: What stands before the first colon, in lower case.
        rest: What stands between it and the query.
        query: The query's options, as text.
    """

    scheme: str
    rest: str
    query: Mapping[str, str]

    @classmethod
    def parse(cls, url: str) -> Target:
        """Take `url` apart.

        Raises:
            BackendError: If it is not a URL, or its query is not made of `name=value`.
        """
        if not isinstance(url, str) or ":" not in url:
            raise BackendError("a backend is named by a URL, such as 'local:.storescope' or 'redis://localhost'")
        scheme, _, tail = url.partition(":")
        rest, _, query = tail.partition("?")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        except ValueError:
            raise BackendError("the URL's query must be name=value pairs, joined by '&'") from None
        return cls(scheme.lower(), rest, dict(pairs))

    def below(self, scheme: str) -> Target:
        """Return the URL of what lies below, `redis:` for `kv+redis:`."""
        return replace(self, scheme=scheme)


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What every backend takes."""

    region: str | None = None
    tenancy: str = "shared"
    name: str = ""
    probe: bool = False


def read_options(cls: type[_OptionsT], given: Mapping[str, Any], query: Mapping[str, str]) -> _OptionsT:
    """Make an options object from keywords and from the URL's query.

    Args:
        cls: A data class, all of whose fields have defaults.
        given: The keywords.
        query: The query's options, as text.

    Raises:
        BackendError: If an option is unknown, of the wrong type, or given in both places and not the same.
    """
    hints = get_type_hints(cls)
    defaults = {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type] # a data class
    values: dict[str, Any] = {}
    for name, value in given.items():
        _check_known(name, hints)
        values[name] = _typed(name, value, hints[name])
    for name, text in query.items():
        _check_known(name, hints)
        value = _from_text(name, text, hints[name])
        if values.get(name, defaults[name]) not in (defaults[name], value):
            raise BackendError(f"the option {name} is given twice, by keyword and in the URL, and differs")
        values[name] = value
    return cls(**values)


def _check_known(name: str, hints: Mapping[str, Any]) -> None:
    if name in hints:
        return
    takes = sorted({*hints, *get_type_hints(CommonOptions)})
    known = ", ".join(takes)
    near = get_close_matches(name, takes, n=1, cutoff=0.0)[0]
    raise BackendError(f"an option is unknown; the nearest is {near!r}, and this backend takes {known}")


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Check a keyword; an int will do for a float."""
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(value, bool) and hint is not bool:
        raise BackendError(f"the option {name} must be {_describe(hint)}")
    if not isinstance(value, hint):
        raise BackendError(f"the option {name} must be {_describe(hint)}")
    return value


def _from_text(name: str, text: str, hint: Any) -> Any:
    try:
        return _READERS.get(hint, str)(text)
    except (KeyError, ValueError):
        raise BackendError(f"the option {name} must be {_describe(hint)}") from None


_READERS: dict[Any, Any] = {int: int, float: float, bool: {"true": True, "false": False}.__getitem__}
_WORDS: dict[Any, str] = {int: "an integer", float: "a number", bool: "true or false"}


def _describe(hint: Any) -> str:
    return _WORDS.get(hint, "a string")
