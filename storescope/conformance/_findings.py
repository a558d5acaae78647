"""What a dry run found, ready for JSON and for people. It holds ids and reasons, never a record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

FindingKind: TypeAlias = Literal["refused", "listed", "not_json", "unread"]
"""What is wrong with a record.

- `refused`: a `set` of it would be refused by the contract's checks.
- `listed`: a list holds it that should not.
- `not_json`: it holds what JSON has not. Your own handlers may allow that; a shipped backend would not.
- `unread`: reading it raised, so that nobody knows.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: `refused`, `listed`, `not_json` or `unread`.
        entity: The kind of record.
        id: Its id; None where it has none, or none could be read. For a whole list, the session's id.
        why: What is wrong, in one line without record content.
        tenant: Whose it is; empty in a store that tenants share.
    """

    kind: FindingKind
    entity: str
    id: str | None
    why: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run read, and what it found.

    Attributes:
        read: How many records of each kind were read.
        findings: What was found, in the order of reading.
        not_looked_at: The kinds of record that could not be enumerated, each with the reason.
        without_record: The given sessions for which `session.get` returned None.
    """

    read: Mapping[str, int]
    findings: tuple[Finding, ...]
    not_looked_at: Mapping[str, str]
    without_record: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether no read raised, and at least one of the given sessions is there."""
        nothing = bool(self.without_record) and not any(self.read.values())
        return not nothing and all(finding.kind != "unread" for finding in self.findings)

    @property
    def clean(self) -> bool:
        """Whether the contract's checks would refuse nothing of what was read, and no list is wrong."""
        return all(finding.kind not in {"refused", "listed"} for finding in self.findings)

    def count(self, kind: FindingKind, entity: str) -> int:
        """Return how many findings of a kind there are among the records of an entity."""
        return sum(finding.kind == kind and finding.entity == entity for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "clean": self.clean,
            "complete": self.complete,
            "read": dict(self.read),
            "not_looked_at": dict(self.not_looked_at),
            "without_record": list(self.without_record),
            "findings": [asdict(finding) for finding in self.findings],
        }
