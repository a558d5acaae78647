"""Who is known, and what each may do: bearer tokens, hashed at rest, and client certificates, in a file."""

from __future__ import annotations

import hmac
import re
import stat
import time
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope import OPERATIONS
from storescope.apps.serve._options import ServeError
from storescope.middleware._log import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LOOK_SECONDS = 1.0
"""How often the file is looked at, at most: after so long a token that was taken out opens nothing any more."""

SCRAPE = "metrics"
"""Grants the metrics, beside the fifteen operations; `*` does not."""

_HEX = re.compile(r"[0-9a-f]{64}")
_GROUPS = {
    "*": frozenset(OPERATIONS),
    "read": frozenset(name for name, operation in OPERATIONS.items() if not operation.writes),
    "write": frozenset(name for name, operation in OPERATIONS.items() if operation.writes),
    SCRAPE: frozenset({SCRAPE}),
}
_NAMED_BY = ("sha256", "certificate")
_KEYS = frozenset({*_NAMED_BY, "tenants", "operations", "regions", "rate"})


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token or client certificate allows.

    Attributes:
        name: The entry's name: the actor of its calls, unless they name one.
        tenants: The tenants that it may name; None for any, and for calls that name none.
        operations: The operations that it may call, and `metrics`.
        regions: The regions that it may say it calls from; None for any, and for calls that name none.
        rate: How many calls a second it may make, in each worker process; None for any.
    """

    name: str
    tenants: frozenset[str] | None = None
    operations: frozenset[str] = _GROUPS["*"] | _GROUPS[SCRAPE]
    regions: frozenset[str] | None = None
    rate: float | None = None


EVERYTHING = Grant("")
"""What is allowed where no token is asked for."""


class Entries(NamedTuple):
    """What a token file holds.

    Attributes:
        tokens: SHA-256 and grant.
        certificates: SHA-256 in hex -> grant.
    """

    tokens: list[tuple[bytes, Grant]]
    certificates: dict[str, Grant]


class TokenFile:
    """The tokens and certificates of a file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ServeError: If it cannot be read, others may read it, or it is wrong.
        """
        self._path = path
        self._looked = time.monotonic()
        self._seen = _state(path)
        self._entries = _read(path)

    def find(self, token: str) -> Grant | None:
        """Return what a token allows; None if it is not known. It takes equally long whichever token it is."""
        self._look()
        digest = sha256(token.encode()).digest()
        found: Grant | None = None
        for known, grant in self._entries.tokens:
            if hmac.compare_digest(known, digest):
                found = grant
        return found

    def find_certificate(self, fingerprint: str | None) -> Grant | None:
        """Return what a client certificate allows, by its SHA-256 in hex; None if the file does not name it."""
        self._look()
        return None if fingerprint is None else self._entries.certificates.get(fingerprint)

    def _look(self) -> None:
        """Read the file again if it changed. One that is wrong changes nothing, and is logged."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._entries = _read(self._path)
        except ServeError as error:
            tell("error", "storescope.serve.tokens_not_reloaded", error=str(error))
        else:
            tell("info", "storescope.serve.tokens_reloaded", tokens=sum(map(len, self._entries)))


def digest_of(token: str) -> str:
    """Return what stands in the file for a token. It is random, 256 bits, so that one SHA-256 is enough."""
    return sha256(token.encode()).hexdigest()


def _state(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def _read(path: Path) -> Entries:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise ServeError(f"{path}: others may read it (mode {mode:04o}); chmod 600 it")
            content = file.read()
    except OSError as error:
        raise ServeError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_tokens(path, content)


def parse_tokens(path: Path, content: bytes) -> Entries:
    """Return the entries of what a token file holds, or is about to hold.

    Raises:
        ServeError: If it is wrong.
    """
    try:
        tables = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ServeError(f"{path}: is not TOML") from None
    tokens = tables.pop("tokens", None)
    if tables or not isinstance(tokens, dict) or not tokens:
        raise ServeError(f"{path}: holds one or more [tokens.NAME] and nothing else")
    entries = Entries([], {})
    for name, entry in tokens.items():
        _add(entries, f"{path}: tokens.{name}", name, entry)
    return entries


def _add(entries: Entries, where: str, name: str, entry: Any) -> None:
    if not isinstance(entry, dict) or not set(entry) <= _KEYS:
        raise ServeError(f"{where}: has sha256 or certificate, tenants, operations, regions and, optionally, rate")
    named = [key for key in _NAMED_BY if key in entry]
    if len(named) != 1:
        raise ServeError(f"{where}: goes by the sha256 of a token or by that of a client certificate: give one")
    digest, grant = entry[named[0]], _grant(where, name, entry)
    if not isinstance(digest, str) or not _HEX.fullmatch(digest):
        raise ServeError(f"{where}.{named[0]}: must be 64 hex digits, as `storescope token` writes them")
    if named == ["sha256"]:
        entries.tokens.append((bytes.fromhex(digest), grant))
    elif entries.certificates.setdefault(digest, grant) is not grant:
        raise ServeError(f"{where}.certificate: another entry has the same")


def _grant(where: str, name: str, entry: Mapping[str, Any]) -> Grant:
    rate = entry.get("rate")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0):
        raise ServeError(f"{where}.rate: must be a number of calls a second, more than 0")
    return Grant(
        name,
        tenants=_any_of(_strings(where, entry, "tenants")),
        operations=_operations(where, _strings(where, entry, "operations")),
        regions=_any_of(_strings(where, entry, "regions")),
        rate=rate,
    )


def _strings(where: str, entry: Mapping[str, Any], key: str) -> list[str]:
    """Return a list that must be there: what is left out by mistake must not mean everything."""
    found = entry.get(key)
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise ServeError(f'{where}.{key}: must be a list of non-empty strings; ["*"] allows all')
    return found


def _any_of(names: Iterable[str]) -> frozenset[str] | None:
    return None if "*" in names else frozenset(names)


def _operations(where: str, names: Iterable[str]) -> frozenset[str]:
    granted: set[str] = set()
    for name in names:
        group = _GROUPS.get(name) or ({name} if name in OPERATIONS else None)
        if group is None:
            raise ServeError(f"{where}.operations: may list operations, {', '.join(_GROUPS)}; one is none of them")
        granted |= group
    return frozenset(granted)
