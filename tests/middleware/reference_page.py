"""docs/reference.md, read as data."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def rows(section: str, first: str) -> dict[str, list[str]]:
    """Return the table of a section whose first column is called `first`: the name in it -> the other cells."""
    text = _PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = text.split(f"| {first} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    found: dict[str, list[str]] = {}
    for line in table:
        name, *cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        assert name not in found, f"{name} is listed twice"
        found[name.strip("`")] = cells
    return found


def names(cell: str) -> set[str]:
    """Return what a cell has in backticks."""
    return set(re.findall(r"`([^`]+)`", cell))
