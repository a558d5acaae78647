"""Takes old spans out, by their order of arrival: the newest are never among them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescope.apps.view._schema import FIRST_AND_LAST

if TYPE_CHECKING:
    import sqlite3

_SLACK = 0.02  # what is taken out beyond a bound, so that it is not done for every batch


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept at most.

    Attributes:
        spans: How many spans.
        bytes: How much on the disk.
        seconds: How long after its arrival a span is kept.
    """

    spans: int = 2_000_000
    bytes: int = 4 * 1024**3
    seconds: float = 7 * 86_400.0


def take_out_old(connection: sqlite3.Connection, bounds: Bounds) -> int:
    """Take out what is beyond the bounds, within the caller's transaction.

    Returns:
        How many spans were taken out.
    """
    first, last = connection.execute(FIRST_AND_LAST).fetchone()
    if first is None:
        return 0
    cut = max(_by_number(first, last, bounds), _by_size(connection, first, last, bounds))
    cut = max(cut, _by_age(connection, first, last, bounds))
    return _take_out(connection, first, cut) if cut >= first else 0


def _by_number(first: int, last: int, bounds: Bounds) -> int:
    """Return the number of the last span to go; the numbers have no gaps, and begin where it was last cut."""
    if last - first + 1 <= bounds.spans:
        return 0
    return last - max(1, int(bounds.spans * (1 - _SLACK)))


def _by_size(connection: sqlite3.Connection, first: int, last: int, bounds: Bounds) -> int:
    used = used_bytes(connection)
    if used <= bounds.bytes:
        return 0
    share = min(1.0, 1 - bounds.bytes * (1 - _SLACK) / used)
    return min(last - 1, first + int((last - first + 1) * share))


def _by_age(connection: sqlite3.Connection, first: int, last: int, bounds: Bounds) -> int:
    oldest = time.time() - bounds.seconds
    row = connection.execute("SELECT id FROM spans WHERE arrived >= ? ORDER BY id LIMIT 1", (oldest,)).fetchone()
    cut = last if row is None else row[0] - 1
    return cut if cut >= first else 0


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how much of the database holds something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _take_out(connection: sqlite3.Connection, first: int, cut: int) -> int:
    rows = connection.execute(
        "SELECT trace, count(*), sum(error) FROM spans WHERE id <= ? GROUP BY trace", (cut,)
    ).fetchall()
    connection.executemany(
        "UPDATE traces SET spans = spans - ?, dropped = dropped + ?, errors = errors - ? WHERE id = ?",
        [(count, count, errors, trace) for trace, count, errors in rows],
    )
    connection.executemany("DELETE FROM traces WHERE id = ? AND spans = 0", [(row[0],) for row in rows])
    connection.execute("DELETE FROM spans WHERE id <= ?", (cut,))
    connection.execute("DELETE FROM details WHERE id <= ?", (cut,))
    return cut - first + 1
