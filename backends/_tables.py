"""What a backend has to be: one table per entity. The rest is the same for all, and lies in `_backend.py`.

A table takes and gives records as dicts; it turns them into what it stores with `_codec.py`, in the one
place where it stores them. Ids and tenants arrive checked. `tenant` is the empty string where tenants share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._identity import Identity
    from storescope.backends._scan import ScanPage
    from storescope.reports import BackendReport


class Site(NamedTuple):
    """What an engine is told beside its own options.

    Attributes:
        tenancy: `shared` or `required`.
        report: Where it counts retries, conflicts and connections.
        region: What `region=` says, if anything.
    """

    tenancy: str
    report: BackendReport
    region: str | None = None


class Table(Protocol):
    """Records by id."""

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        ...

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        ...

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in, atomically, and return the record right after it; None if there is none."""
        ...

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        ...

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record and all that leads to it, and return whether there was one."""
        ...


class ListedTable(Table, Protocol):
    """Records that belong to the session that they name in `sessionId`."""

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, in a constant number of round trips."""
        ...


class MarkerStore(Protocol):
    """The store's residency marker: a text of its own, apart from all records and no tenant's."""

    async def identify(self) -> Identity:
        """Return what tells this place from one that a copy of its data was restored to."""
        ...

    async def read(self) -> str | None:
        """Return the marker's text, or None."""
        ...

    async def write(self, text: str, *, replace: bool) -> bool:
        """Write the text, atomically; over one that is there only if told so. Return whether it was written."""
        ...


class Engine(Protocol):
    """The tables of one store, and what holds them open."""

    @property
    def marker(self) -> MarkerStore:
        """The residency marker."""
        ...

    @property
    def session(self) -> Table:
        """The sessions."""
        ...

    @property
    def message(self) -> ListedTable:
        """The messages."""
        ...

    @property
    def part(self) -> ListedTable:
        """The parts."""
        ...

    @property
    def sandbox(self) -> Table:
        """The sandboxes."""
        ...

    @property
    def setup(self) -> Table:
        """The setups."""
        ...

    async def aclose(self) -> None:
        """Give back what is held open."""
        ...
