"""A scan of what a store holds: does each record rest where its tenant's rule lets it, under the right label?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from storescope.context import call_context
from storescope.errors import StorageError
from storescope.middleware._region._engine import may_rest
from storescope.middleware._region._labels import FIELD
from storescope.middleware._region._pin_scan import Found
from storescope.middleware._region._scan_report import ENTITIES, ScanReport, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo
    from storescope.middleware._region._labels import Labels
    from storescope.middleware._region._pin_scan import PinScan
    from storescope.middleware._region._policy import ResidencyPolicy


class Row(Protocol):
    """A record that was found."""

    @property
    def tenant(self) -> str:
        """Whose it is, as the store keeps it; empty where tenants share."""
        ...

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def record(self) -> dict[str, Any]:
        """The record, its label included."""
        ...


class Store(Protocol):
    """What is scanned: `Backend.admin`."""

    async def scan(self, entity: str, cursor: str | None = None, *, every_tenant: bool = False) -> Any:
        """Return a page of rows, and the next cursor."""
        ...

    async def merge(self, entity: str, id: str, fields: dict[str, Any]) -> bool:
        """Merge fields into a record."""
        ...


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan goes by.

    Attributes:
        policy: What is allowed.
        backend: The store, and the region it is in.
        labels: Checks labels, and makes them.
        owner: Whose the records are that no label and no tenancy tells of; None if nobody knows.
        adopt: Whether to label the records that have none and may rest here.
        now: The time by which exceptions end, in seconds since 1970.
        pins: Holds the pin registry against the records; None to leave it aside.
    """

    policy: ResidencyPolicy
    backend: BackendInfo
    labels: Labels
    owner: str | None
    adopt: bool
    now: float
    pins: PinScan | None = None

    async def run(self, store: Store, report: ScanReport, progress: Callable[[int], None]) -> None:
        """Look at every record of a store. A scan that was broken off is run again: it adopts what is left.

        Args:
            store: The store.
            report: What is found is added to it; what the store would not list to `unseen`.
            progress: Told after each page how many records were looked at.
        """
        for entity in ENTITIES:
            try:
                await self._look_at_all(store, entity, report, progress)
            except StorageError as error:
                report.unseen[f"{entity} in {self.backend.region}"] = str(error)

    async def _look_at_all(
        self, store: Store, entity: str, report: ScanReport, progress: Callable[[int], None]
    ) -> None:
        cursor: str | None = None
        while True:
            rows, cursor = await store.scan(entity, cursor, every_tenant=True)
            found = [each for row in rows if (each := await self._look_at(store, entity, row, report)) is not None]
            if self.pins is not None and self.backend.region is not None:
                await self.pins.look_at(entity, found, self.backend.region)
            progress(report.seen.total())
            if cursor is None:
                return

    async def _look_at(self, store: Store, entity: str, row: Row, report: ScanReport) -> Found | None:
        """Look at one record; return what pins must say of it, if its label can be believed."""
        report.seen[entity] += 1
        tenant = row.tenant or _labelled_tenant(row.record) or self.owner
        fault = self.labels.fault(entity, row.id, row.record, tenant=tenant, region=self.backend.region)
        rests = may_rest(self.policy, tenant, self.backend, self.now)
        code = fault if rests == "allowed" else rests
        if tenant and self._wants_label(row, code) and await self._label(store, entity, row, tenant):
            report.adopted += 1
            fault = code = None
        if code is not None:
            report.add(Violation(entity, tenant, row.id, code, self.backend.region))
        return Found(row.id, tenant, row.record.get("sessionId")) if tenant and fault is None else None

    def _wants_label(self, row: Row, code: str | None) -> bool:
        """Return whether to label a record: it has no label, or one without its id, which pins need for moves."""
        if not self.adopt or code is not None:
            return self.adopt and code == "label_missing"
        return self.pins is not None and "id" not in row.record[FIELD]

    async def _label(self, store: Store, entity: str, row: Row, tenant: str) -> bool:
        """Label a record, in the tenant that the store keeps it in; return whether it is still there."""
        region = self.backend.region
        if region is None:  # pragma: no cover (nothing may rest in an unknown region)
            return False
        label = self.labels.make(entity, row.id, row.record, tenant=tenant, region=region)
        with call_context(tenant=row.tenant or None):
            return await store.merge(entity, row.id, {FIELD: label})


def _labelled_tenant(record: dict[str, Any]) -> str | None:
    label = record.get(FIELD)
    tenant = label.get("tenant") if isinstance(label, dict) else None
    return tenant if isinstance(tenant, str) else None
