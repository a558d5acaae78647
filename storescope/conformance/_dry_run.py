"""The dry run: read the records that are there, write nothing, and tell which the contract would refuse."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from storescope.call import Call
from storescope.checks import checker
from storescope.conformance._case import ENTITIES
from storescope.conformance._findings import DryRun, Finding, FindingKind
from storescope.conformance._json import not_json
from storescope.context import current_context
from storescope.contract import OPERATIONS
from storescope.errors import UnsupportedOperationError
from storescope.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storescope.contract import Handlers


class ScannedRecord(Protocol):
    """One record that a scan found."""

    @property
    def tenant(self) -> str:
        """Whose it is; empty in a store that tenants share."""
        ...

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def record(self) -> Any:
        """The record itself."""
        ...


@runtime_checkable
class Scanner(Protocol):
    """What a map's `admin` needs for a dry run of all its records; the shipped backends have it."""

    async def scan(self, entity: str, cursor: Any = None) -> tuple[Sequence[ScannedRecord], Any]:
        """Return a page of records and the cursor of the next page, None at the end."""
        ...


async def dry_run(handlers: Handlers, sessions: Iterable[str] | None = None) -> DryRun:
    """Read what is stored, write nothing, and tell which records the contract's checks would refuse in a `set`.

    Args:
        handlers: The map. If it has `admin.scan`, as a shipped backend, all its records are read.
        sessions: Ids of sessions, from the application's own database: they, their messages and parts, and the
            sandboxes that they name are read, and nothing else. A map without `admin.scan` needs them.

    Returns:
        What was read and what was found.

    Raises:
        UnsupportedOperationError: If there are neither sessions nor `admin.scan`.
    """
    reading = _Reading(handlers)
    if sessions is not None:
        await reading.read_sessions(list(dict.fromkeys(sessions)))
        return reading.report()
    admin = getattr(handlers, "admin", None)
    if not isinstance(admin, Scanner):
        raise UnsupportedOperationError(
            "the map cannot list what it holds, because it has no admin.scan; "
            "give the ids of its sessions (--sessions FILE, or sessions=)"
        )
    await reading.scan(admin)
    return reading.report()


class _Reading:
    """One dry run: what was read so far, and what was found in it."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._read: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._not_looked_at: dict[str, str] = {}
        self._without_record: list[str] = []

    def report(self) -> DryRun:
        read = {entity: self._read[entity] for entity in ENTITIES if entity not in self._not_looked_at}
        return DryRun(read, tuple(self._findings), self._not_looked_at, tuple(self._without_record))

    async def scan(self, admin: Scanner) -> None:
        """Read all records of each kind. One that raises is told; the others may still be read."""
        for entity in ENTITIES:
            try:
                await self._scan(admin, entity)
            except Exception as error:
                self._find("unread", entity, None, f"admin.scan raised {type(error).__name__}")

    async def _scan(self, admin: Scanner, entity: str) -> None:
        cursor: Any = None
        seen: set[tuple[str, str]] = set()  # a scan beside writes may come by a record twice
        while True:
            records, cursor = await admin.scan(entity, cursor)
            for found in records:
                if (found.tenant, found.id) not in seen:
                    seen.add((found.tenant, found.id))
                    self._look_at(entity, found.id, found.record, found.tenant)
            if cursor is None:
                return

    async def read_sessions(self, sessions: list[str]) -> None:
        """Read these sessions and what can be reached from them."""
        self._not_looked_at["setup"] = "setups belong to no session"
        sandboxes: dict[str, None] = {}  # in order, each once: sessions may share one
        if self._has("session", "session.get"):
            for session in sessions:
                sandbox = await self._read_session(session)
                if sandbox is not None:
                    sandboxes[sandbox] = None
        for entity in ("message", "part"):
            if self._has(entity, f"{entity}.listBySession"):
                for session in sessions:
                    await self._read_list(entity, session)
        if self._has("sandbox", "session.get", "sandbox.get"):
            for sandbox in sandboxes:
                await self._read_one("sandbox", sandbox)

    def _has(self, entity: str, *operations: str) -> bool:
        """Return whether the map has these operations; if not, the entity is not looked at."""
        missing = [name for name in operations if name not in self._handlers]
        if missing:
            self._not_looked_at[entity] = f"the map has no handler for {', '.join(missing)}"
        return not missing

    async def _read_session(self, id_: str) -> str | None:
        """Read a session and return the id of its sandbox."""
        record = await self._read_one("session", id_)
        if record is None:
            self._without_record.append(id_)
        sandbox = record.get("sandboxId") if isinstance(record, dict) else None
        return sandbox if isinstance(sandbox, str) and sandbox else None

    async def _read_one(self, entity: str, id_: str) -> Any:
        record = await self._call(f"{entity}.get", id_, id=id_)
        if record is not None and record is not _RAISED:
            self._look_at(entity, id_, record)
        return record

    async def _read_list(self, entity: str, session: str) -> None:
        operation = f"{entity}.listBySession"
        rows = await self._call(operation, session, session_id=session)
        if rows is _RAISED:
            return
        if not isinstance(rows, list):
            why = f"{operation} of this session returned a {type(rows).__name__}, not a list"
            self._find("listed", entity, session, why)
            return
        for row in rows:
            id_ = row.get("id") if isinstance(row, dict) else None
            home = row.get("sessionId") if isinstance(row, dict) else None
            self._look_at(entity, id_, row)
            if isinstance(home, str) and home not in {session, ""}:  # what is no session id is refused already
                self._find("listed", entity, id_, f"{operation} returned it for a session that is not its own")

    async def _call(self, operation: str, id_: str, **params: str) -> Any:
        try:
            return await Store(operation, params, current_context()).on(self._handlers)
        except Exception as error:  # its text may hold record content
            which = f"{operation} of this session" if "session_id" in params else operation
            self._find("unread", OPERATIONS[operation].entity, id_, f"{which} raised {type(error).__name__}")
            return _RAISED

    def _look_at(self, entity: str, id_: Any, record: Any, tenant: str = "") -> None:
        """Count a record, and have it checked as if it were set."""
        self._read[entity] += 1
        operation = OPERATIONS[f"{entity}.set"]
        call = Call(operation, {"id": _UNKNOWN if id_ is None else id_, "value": record}, current_context())
        checker(operation)(call)
        if call.refusal is not None:
            self._find("refused", entity, id_, str(call.refusal), tenant)
        odd = not_json(record)
        if odd is not None:
            self._find("not_json", entity, id_, odd, tenant)

    def _find(self, kind: FindingKind, entity: str, id_: Any, why: str, tenant: str = "") -> None:
        shown = id_ if isinstance(id_, str) else None  # what is no string is no id, but content
        self._findings.append(Finding(kind, entity, shown, why, tenant))


_UNKNOWN = "unknown"  # stands for the id of a row of a list that does not name it
_RAISED = object()
