"""What the demo found, ready for JSON and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storescope.apps.demo._agent import Turn


@dataclass(slots=True)
class SpanNode:
    """A span and what lies below it; `outcome` is that of a storage span."""

    name: str
    milliseconds: float
    outcome: str | None
    children: list[SpanNode] = field(default_factory=list)

    @property
    def storage_calls(self) -> int:
        """How many storage spans lie at or below it."""
        return (self.outcome is not None) + sum(child.storage_calls for child in self.children)


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of one operation."""

    operation: str
    calls: int
    outcomes: dict[str, int]
    mean_milliseconds: float


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """The audit log: where it lies, its last records, and what the verifier says."""

    folder: str
    key: str
    records: int
    last: list[dict[str, Any]]
    verdict: str
    summary: str


@dataclass(frozen=True, slots=True)
class Denial:
    """A call that the region guard denied."""

    call: str
    error: str
    code: str
    rule: str | None
    facts: dict[str, str | None]
    would_allow_if: str
    backend_contacted: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the demo shows.

    Attributes:
        backend: The store, without credentials.
        session: The session's id.
        turns: What the agent did.
        trace: One tree for each of the agent's own spans.
        metrics: One entry for each operation that was called.
        audit: The audit log.
        denial: The call that was denied.
    """

    backend: str
    session: str
    turns: list[Turn]
    trace: list[SpanNode]
    metrics: list[Measured]
    audit: AuditTrail
    denial: Denial

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)
