"""A scan of what a store holds: does each record rest where its tenant's rule lets it, under the right label?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from storescope.context import call_context
from storescope.contract import OPERATIONS
from storescope.errors import StorageError
from storescope.middleware._region._engine import may_rest
from storescope.middleware._region._labels import FIELD

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo
    from storescope.middleware._region._labels import Labels
    from storescope.middleware._region._policy import ResidencyPolicy

_ENTITIES = tuple(dict.fromkeys(operation.entity for operation in OPERATIONS.values()))
_MOST_LISTED = 1_000


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


class Violation(NamedTuple):
    """A record that must not lie where it lies, or that the guard will deny.

    Attributes:
        entity: What kind of record it is.
        tenant: Whose it is, by the store or by its label; None if neither says so.
        id: Its id.
        code: What is wrong, as a `Decision` would say it.
    """

    entity: str
    tenant: str | None
    id: str
    code: str


@dataclass(slots=True)
class ScanReport:
    """What a scan found.

    Attributes:
        seen: How many records were looked at, for each entity.
        adopted: How many of them were given a label.
        codes: How many are wrong, for each code.
        violations: The first of these.
        unseen: What could not be looked at, and why; a store is clean only if this is empty.
    """

    seen: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_ENTITIES, 0)))
    adopted: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 violations, 3 incomplete: what was not looked at is never called clean."""
        if self.unseen:
            return 3
        return 1 if self.codes else 0

    def add(self, violation: Violation) -> None:
        """Count a violation, and list it if there are not too many."""
        self.codes[violation.code] += 1
        if len(self.violations) < _MOST_LISTED:
            self.violations.append(violation)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "exit_code": self.exit_code,
            "seen": dict(self.seen),
            "adopted": self.adopted,
            "codes": dict(self.codes),
            "violations": [violation._asdict() for violation in self.violations],
            "unseen": self.unseen,
        }


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
    """

    policy: ResidencyPolicy
    backend: BackendInfo
    labels: Labels
    owner: str | None
    adopt: bool
    now: float

    async def run(self, store: Store, progress: Callable[[int], None]) -> ScanReport:
        """Look at every record of a store. A scan that was broken off is run again: it adopts what is left.

        Args:
            store: The store.
            progress: Told after each page how many records were looked at.

        Returns:
            The report. What the store would not list is in `unseen`.
        """
        report = ScanReport()
        for entity in _ENTITIES:
            try:
                await self._look_at_all(store, entity, report, progress)
            except StorageError as error:
                report.unseen[entity] = str(error)
        return report

    async def _look_at_all(
        self, store: Store, entity: str, report: ScanReport, progress: Callable[[int], None]
    ) -> None:
        cursor: str | None = None
        while True:
            rows, cursor = await store.scan(entity, cursor, every_tenant=True)
            for row in rows:
                report.seen[entity] += 1
                await self._look_at(store, entity, row, report)
            progress(report.seen.total())
            if cursor is None:
                return

    async def _look_at(self, store: Store, entity: str, row: Row, report: ScanReport) -> None:
        tenant = row.tenant or _labelled_tenant(row.record) or self.owner
        code = self._fault(entity, row, tenant)
        if code == "label_missing" and tenant and self.adopt and await self._label(store, entity, row, tenant):
            report.adopted += 1
        elif code is not None:
            report.add(Violation(entity, tenant, row.id, code))

    def _fault(self, entity: str, row: Row, tenant: str | None) -> str | None:
        rests = may_rest(self.policy, tenant, self.backend, self.now)
        if rests != "allowed":
            return rests
        return self.labels.fault(entity, row.id, row.record, tenant=tenant, region=self.backend.region)

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
