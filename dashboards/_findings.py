"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        rule: The name of the rule, as grafana/dashboard-linter has it, or `live-query`.
        board: The dashboard's title, or a file of rules.
        where: The panel, variable, annotation or rule; empty if it is about the whole.
        text: What is wrong, and what would be right.
        excepted: Why this one may be so; None if it may not.
    """

    rule: str
    board: str
    where: str
    text: str
    excepted: str | None = None

    def __str__(self) -> str:
        place = f"{self.board}: {self.where}" if self.where else self.board
        return f"{self.rule}: {place}: {self.text}"
