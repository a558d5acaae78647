"""Every case, from the modules of their themes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.conformance import (
    _cancelled,
    _concurrency,
    _ids,
    _lists,
    _moves,
    _processes,
    _records,
    _refusals,
    _updates,
    _values,
)

if TYPE_CHECKING:
    from storescope.conformance._case import Case

CASES: tuple[Case, ...] = (
    *_records.theme.cases,
    *_updates.theme.cases,
    *_lists.theme.cases,
    *_moves.theme.cases,
    *_refusals.theme.cases,
    *_concurrency.theme.cases,
    *_cancelled.theme.cases,
    *_values.theme.cases,
    *_ids.theme.cases,
    *_processes.theme.cases,
)
"""Every case, the core ones and the promises, by theme."""
