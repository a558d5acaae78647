"""Puts a trace's spans into the order of a waterfall: each below its parent, and the gaps between them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LEAST_GAP = 0.01  # of the whole trace; shorter ones are not worth a mark
_MOST_GAPS = 50  # of one span


def waterfall(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order spans as a waterfall shows them.

    Args:
        spans: In order of their beginning.

    Returns:
        Each of them once, depth first, with `depth`, `children` (how many), `orphan` (its parent is not here),
        `own` (the ns in which no child of it ran) and `gaps` (the longer of those stretches, as pairs of start and
        ns; a span without children has none).
    """
    children = _children(spans)
    whole = _whole(spans)
    ordered: list[dict[str, Any]] = []
    ids = {span["span_id"] for span in spans}
    for span, depth in _depth_first(children):
        below = children.get(span["span_id"], [])
        idle = list(_uncovered(span, below))
        span |= {
            "depth": depth,
            "children": len(below),
            "orphan": bool(span.get("parent_id")) and span["parent_id"] not in ids,
            "own": sum(ns for _, ns in idle),
            "gaps": [gap for gap in idle if gap[1] >= whole * _LEAST_GAP][:_MOST_GAPS] if below else [],
        }
        ordered.append(span)
    return ordered


def _children(spans: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the spans by their parent; under the empty id those at the top.

    A parent that is missing makes a top, and so does a ring of parents, at its span that began first.
    """
    by_id = {span["span_id"]: span for span in spans}
    children: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for span in spans:
        parent = span.get("parent_id", "")
        children[parent if parent in by_id else ""].append(span)
    reached = {span["span_id"] for span, _ in _depth_first(children)}
    for span in spans:
        if span["span_id"] not in reached:
            children[span["parent_id"]].remove(span)
            children[""].append(span)
            reached |= {below["span_id"] for below, _ in _depth_first({**children, "": [span]})}
    children[""].sort(key=lambda span: span["start"])
    return children


def _depth_first(children: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[dict[str, Any], int]]:
    stack = [(span, 0) for span in reversed(children.get("", []))]
    while stack:  # not recursive: a hostile trace is as deep as it has spans
        span, depth = stack.pop()
        yield span, depth
        stack += [(below, depth + 1) for below in reversed(children.get(span["span_id"], []))]


def _whole(spans: list[dict[str, Any]]) -> int:
    return max((_end(span) for span in spans), default=0) - min((span["start"] for span in spans), default=0)


def _end(span: dict[str, Any]) -> int:
    return int(span["start"] + span["duration"])


def _uncovered(span: dict[str, Any], below: Iterable[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Return the stretches of a span in which none of its children ran; they are in order of their beginning."""
    at, end = span["start"], _end(span)
    for child in below:
        if at < min(child["start"], end):
            yield at, min(child["start"], end) - at
        at = max(at, _end(child))
    if at < end:
        yield at, end - at
