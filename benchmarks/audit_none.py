"""What an audit record costs the call in `none`, against the same bytes, MAC and write by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks._inlined_audit import inlined_audit
from benchmarks._result import Result, Row
from benchmarks._rounds import added_ratio, median, microseconds
from benchmarks._stacks import BACKEND, REGION, bare_get
from storescope import call_context, wrap
from storescope.middleware import AuditLog, audit

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work
    from storescope import Handlers, Middleware

CALLS, ROUNDS, LIMIT = 2_000, 31, 1.2
_ID = "session-0123456789"


async def run(folder: Path, *, calls: int = CALLS, rounds: int = ROUNDS) -> Result:
    """Measure what each adds to the same wrapped handlers: to a read, one record; to a write, two."""
    with (
        AuditLog.open(folder / "audit", durability="none") as log,
        inlined_audit(folder / "by-hand.jsonl") as by_hand,
        call_context(tenant="acme", actor="bench", region=REGION),
    ):
        stacks: dict[str, tuple[Middleware, ...]] = {"no layer": (), "by hand": (by_hand,), "audit": (audit(log),)}
        figures = {
            "a read": await microseconds(_contenders(stacks, "session.get"), calls=calls, rounds=rounds),
            "a write": await microseconds(
                _contenders(stacks, "session.set", value={}), calls=calls, rounds=rounds
            ),
        }
    rows: list[Row] = []
    for call, found in figures.items():
        bare = median(found["no layer"])
        rows.append(Row(f"{call}, by hand", median(found["by hand"]) - bare, 1.0))
        share = added_ratio(found, "audit", "by hand", "no layer")
        rows.append(Row(f"{call}, audit", median(found["audit"]) - bare, share, LIMIT))
    question = "what audit records cost the call in `none`: one for a read, two for a write"
    return Result(question, rows, figures, unit="us added (median)")


def _contenders(stacks: dict[str, tuple[Middleware, ...]], operation: str, **params: Any) -> dict[str, Work]:
    handlers: Handlers = {"session.get": bare_get, "session.set": _bare_set}
    wrapped = {name: wrap(handlers, *layers, backend=BACKEND) for name, layers in stacks.items()}
    return {name: partial(found[operation], id=_ID, **params) for name, found in wrapped.items()}


async def _bare_set(*, id: str, value: dict[str, Any]) -> None:
    del id, value
