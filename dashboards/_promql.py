"""PromQL, parsed: what a query selects, and what stands around each selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from storescope._extras import require_extra
from storescope.dashboards._errors import DashboardError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promql_parser import VectorSelector

promql: Any = require_extra("promql_parser", extra="dashboards")

Path: TypeAlias = "tuple[Any, ...]"
"""The nodes around a node, the outermost first."""

_CHILDREN = ("expr", "param", "lhs", "rhs", "vector_selector")


def parse(expr: str) -> Any:
    """Parse a query without variables.

    Raises:
        DashboardError: If it is no PromQL; the text is the parser's.
    """
    try:
        return promql.parse(expr)
    except ValueError as error:
        raise DashboardError(str(error)) from None


def descend(node: Any, path: Path = ()) -> Iterator[tuple[Any, Path]]:
    """Return every node of a parsed query, with the nodes around it."""
    yield node, path
    inner = [child for name in _CHILDREN if isinstance(child := getattr(node, name, None), promql.Expr)]
    for child in (*inner, *getattr(node, "args", ())):
        yield from descend(child, (*path, node))


def selectors(node: Any) -> Iterator[VectorSelector]:
    """Return every selection of series in a parsed query."""
    return (found for found, _ in descend(node) if isinstance(found, promql.VectorSelector))
