"""What a scan found: of records that must not lie where they lie, and of pins that do not fit them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from storescope.contract import OPERATIONS

ENTITIES = tuple(dict.fromkeys(operation.entity for operation in OPERATIONS.values()))
_MOST_LISTED = 1_000


class Violation(NamedTuple):
    """A record that must not lie where it lies, or that the guard will deny; or a pin that does not fit records.

    Attributes:
        entity: What kind of record it is; `registry` for the pin registry as a whole.
        tenant: Whose it is, by the store, its label or its pin; None if none says so.
        id: Its id.
        code: What is wrong, as a `Decision` would say it; or `pin_missing`, `pin_without_records`,
            `claim_missing`, `claim_mismatch`.
        region: Where it lies; of a pin without records, where it points.
    """

    entity: str
    tenant: str | None
    id: str
    code: str
    region: str | None


@dataclass(slots=True)
class ScanReport:
    """What a scan found.

    Attributes:
        seen: How many records were looked at, for each entity.
        adopted: How many of them were given a label.
        pinned: How many pins were made, without those that only fence off what is split.
        claimed: How many claims of messages and parts were made.
        codes: How many are wrong, for each code.
        violations: The first of these.
        unseen: What could not be looked at, and why; nothing is clean unless this is empty.
    """

    seen: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(ENTITIES, 0)))
    adopted: int = 0
    pinned: int = 0
    claimed: int = 0
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
            "pinned": self.pinned,
            "claimed": self.claimed,
            "codes": dict(self.codes),
            "violations": [violation._asdict() for violation in self.violations],
            "unseen": self.unseen,
        }
