"""What a benchmark found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a benchmark's table.

    Attributes:
        name: What was measured.
        value: The median cost, in the unit of the `Result`.
        ratio: What it costs in units of what it is compared with.
        limit: The ratio that it must not exceed; None where it is only reported.
        most: The value that it must not exceed, for what has nothing to be compared with.
    """

    name: str
    value: float
    ratio: float | None = None
    limit: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the limits hold."""
        within = self.most is None or self.value <= self.most
        return within and (self.ratio is None or self.limit is None or self.ratio <= self.limit)


@dataclass(frozen=True, slots=True)
class Result:
    """A benchmark's table, its raw figures (contender -> one figure a round), and what is to be said beside it."""

    question: str
    rows: list[Row]
    raw: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    unit: str = "us a call (median)"
    notes: list[str] = field(default_factory=list)
