"""`memory:`, for tests: dicts of encoded records, so that it promises and refuses what the real stores do."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendError, BackendInfo
from storescope.backends._codec import decode, encode, merge
from storescope.backends._scan import page_of, read_place

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._identity import Identity
    from storescope.backends._options import Target
    from storescope.backends._scan import ScanPage
    from storescope.backends._tables import Site
    from storescope.reports import BackendReport


class MemoryTable:
    """The records of one entity. Nothing awaits inside, and a lock keeps threads apart."""

    def __init__(self, *, in_session: bool = False) -> None:
        self._in_session = in_session
        self._lock = Lock()
        self._texts: dict[tuple[str, str], bytes] = {}
        self._homes: dict[tuple[str, str], str] = {}
        self._sessions: dict[tuple[str, str], dict[str, None]] = {}  # in order of first insertion

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        text = self._texts.get((tenant, id))
        return None if text is None else decode(text)

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        text = encode(record)
        with self._lock:
            self._put(tenant, id, text, record)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in and return the record; None if there is none."""
        patch = encode(updates)
        with self._lock:
            text = self._texts.get((tenant, id))
            if text is None:
                return None
            text, record = merge(text, patch)
            self._put(tenant, id, text, record)
        return record

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion."""
        with self._lock:
            texts = [self._texts[tenant, id_] for id_ in self._sessions.get((tenant, session_id), ())]
        return [decode(text) for text in texts]

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        after = read_place(cursor)
        with self._lock:
            keys = sorted(key for key in self._texts if key > after and tenant in {None, key[0]})
            return page_of([(*key, self._texts[key]) for key in keys[:limit]], limit)

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, and return whether there was one."""
        with self._lock:
            self._unlist(tenant, id)
            return self._texts.pop((tenant, id), None) is not None

    def _put(self, tenant: str, id_: str, text: bytes, record: Record) -> None:
        self._texts[tenant, id_] = text
        if self._in_session:
            self._place(tenant, id_, record["sessionId"])

    def _place(self, tenant: str, id_: str, home: str) -> None:
        """List the record in its session; one that stays keeps its place, one that moves goes last."""
        if self._homes.get((tenant, id_)) == home:
            return
        self._unlist(tenant, id_)
        self._homes[tenant, id_] = home
        self._sessions.setdefault((tenant, home), {})[id_] = None

    def _unlist(self, tenant: str, id_: str) -> None:
        old = self._homes.pop((tenant, id_), None)
        if old is None:
            return
        left = self._sessions[tenant, old]
        del left[id_]
        if not left:
            del self._sessions[tenant, old]


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """It takes none of its own."""


class MemoryMarker:
    """None: what is gone with the process rests nowhere that a marker could be bound to."""

    async def identify(self) -> Identity:
        """Refuse.

        Raises:
            BackendError: Always.
        """
        raise _no_marker()

    async def read(self) -> str | None:
        """Refuse, as `identify` does."""
        raise _no_marker()

    async def write(self, text: str, *, replace: bool) -> bool:  # noqa: ARG002 (it needs neither)
        """Refuse, as `identify` does."""
        raise _no_marker()


def _no_marker() -> BackendError:
    return BackendError("memory: holds no residency marker, as it lives in this process alone; declare region=")


class MemoryEngine:
    """One store that lives as long as its backend."""

    Options: ClassVar = MemoryOptions

    def __init__(self, report: BackendReport) -> None:
        self._report = report  # held only weakly by who lists it: its zeros are told to who listens later, too
        self.session = MemoryTable()
        self.message = MemoryTable(in_session=True)
        self.part = MemoryTable(in_session=True)
        self.sandbox = MemoryTable()
        self.setup = MemoryTable()
        self.marker = MemoryMarker()
        self.info = BackendInfo(system="memory", keeps_labels=True)

    @classmethod
    async def open(cls, target: Target, options: MemoryOptions, site: Site) -> Self:  # noqa: ARG003 (it has none)
        """Make an empty store.

        Raises:
            BackendError: If the URL names anything.
        """
        if target.rest:
            raise BackendError("memory: takes no path; each open_backend('memory:') is a store of its own")
        return cls(site.report)

    async def aclose(self) -> None:
        """Count no more; the records go when the backend does."""
        self._report.end()
