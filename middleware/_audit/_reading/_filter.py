"""Which records are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from storescope.errors import AuditError
from storescope.middleware._audit._ids import HASH_CHARS, IdHasher
from storescope.middleware._audit._keys import StreamKeys, fingerprint, load_secret
from storescope.middleware._audit._reading._since import ts_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from nacl.public import PrivateKey

    from storescope.middleware._audit._reading._cursor import Entry

_AGO = re.compile(r"(\d{1,9})\s*([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_HASH = re.compile(rf"[0-9a-f]{{8,{HASH_CHARS}}}", re.ASCII)


def time_of(text: str, *, now: datetime | None = None) -> str:
    """Read a time as people give it.

    Args:
        text: ISO, `2026-11-22T23:36:48Z` or `2026-11-22`, in UTC without an offset; or how long ago: `15m`, `2h`.
        now: From when that is counted; else from now.

    Returns:
        It as `ts` has it.

    Raises:
        ValueError: If it is neither; the text says what would be.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return ts_of((now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        given = datetime.fromisoformat(text.strip())
        return ts_of((given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is neither a time, 2026-11-22T23:36:48Z, nor how long ago: 15m, 2h, 1d"
        ) from None


class Ids:
    """The ids that are asked for, as they may stand in a record."""

    def __init__(self, ids: Collection[str], key: Path | None) -> None:
        """Take ids to look for.

        Args:
            ids: The ids; without a key, what stands in the log for them: the hash, or at least 8 digits of it.
            key: The auditor's secret key. Each header has the key of the hashes sealed to it.

        Raises:
            AuditError: If the key cannot be read, or there is none and an id is no hash.
        """
        self._ids = tuple(ids)
        self._secret: PrivateKey | None = None if key is None or not ids else load_secret(key)
        self._keys: set[bytes] = set()
        self._found = set(ids)  # as they are, under ids="clear"
        for id_ in () if self._secret else self._ids:
            if _HASH.fullmatch(id_) is None:
                raise AuditError(
                    f"ids are hashed in the log: give --key NAME.key to look for {id_!a}, "
                    f"or 8 to {HASH_CHARS} hex digits of its hash"
                )

    def learn(self, header: dict[str, Any]) -> None:
        """Take the key of the hashes from a header.

        Raises:
            AuditError: If the header is sealed to another key.
        """
        if self._secret is None:
            return
        try:
            key = StreamKeys.unseal(header["sealed"], self._secret).ids
        except (ValueError, KeyError, TypeError, AttributeError):
            raise AuditError(self._misfit(self._secret, header)) from None
        if key not in self._keys:
            self._keys.add(key)
            self._found |= {IdHasher(key).hash(id_) for id_ in self._ids}

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        return value in self._found if self._secret else value.startswith(self._ids)

    def __bool__(self) -> bool:
        return bool(self._ids)

    @staticmethod
    def _misfit(secret: PrivateKey, header: dict[str, Any]) -> str:
        where, ours = f"stream {header['stream']!a}", fingerprint(secret.public_key)
        if header.get("auditor") == ours:
            return f"the sealed keys of {where} were altered; storescope audit verify says more"
        return (
            f"the key is not the one that {where} is sealed to "
            f"(the header names {header.get('auditor')!a}, the key is {ours})"
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """What a record must be to be shown; what is empty or None asks for nothing.

    Attributes:
        since: Written then or later, as `ts`.
        until: Written then or before.
        equal: Field -> the values of which it must have one.
        operations: Operations, or entities for all operations on them.
        sessions: The ids of sessions.
        records: The ids of records.
    """

    since: str | None = None
    until: str | None = None
    equal: dict[str, Collection[str]] = field(default_factory=dict)
    operations: Collection[str] = ()
    sessions: Ids | None = None
    records: Ids | None = None

    def fits(self, entry: Entry) -> bool:
        """Return whether a record is asked for.

        Raises:
            AuditError: If ids are looked for and this header is sealed to another key.
        """
        record = entry.record
        if record["phase"] == "header":
            for ids in (self.sessions, self.records):
                if ids:
                    ids.learn(record)
        return self._in_time(entry.ts) and self._says(record) and self._is_about(record)

    def _in_time(self, ts: str) -> bool:
        return (self.since is None or ts >= self.since) and (self.until is None or ts <= self.until)

    def _says(self, record: dict[str, Any]) -> bool:
        if self.operations and not self._names(record["operation"]):
            return False
        return all(_text(record[name]) in values for name, values in self.equal.items() if values)

    def _names(self, operation: object) -> bool:
        if not isinstance(operation, str):
            return False
        return operation in self.operations or operation.partition(".")[0] in self.operations

    def _is_about(self, record: dict[str, Any]) -> bool:
        return (not self.sessions or record["session"] in self.sessions) and (
            not self.records or record["record"] in self.records
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
