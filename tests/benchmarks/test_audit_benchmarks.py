"""The benchmarks of the audit log run, and what they compare does the same."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import audit_group, audit_none
from benchmarks._group_commit import group_commit
from benchmarks._inlined_audit import inlined_audit
from benchmarks._stacks import BACKEND, REGION
from storescope import call_context, wrap
from storescope.middleware import AuditLog, audit

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Handlers, Middleware

pytestmark = pytest.mark.unmeasured

VARY = {"seq", "stream", "ts", "call_id", "duration_us", "mac", "record", "session"}


async def get_session(*, id: str) -> dict[str, Any]:
    if id == "broken":
        raise ValueError("no")
    return {"id": id}


async def set_session(*, id: str, value: dict[str, Any]) -> None:
    del id, value


async def make_calls(layer: Middleware) -> None:
    handlers: Handlers = {"session.get": get_session, "session.set": set_session}
    wrapped = wrap(handlers, layer, backend=BACKEND)
    with call_context(tenant="acme", actor="bench", region=REGION):
        await wrapped["session.get"](id="s1")
        await wrapped["session.set"](id="s1", value={})
        with pytest.raises(ValueError, match="no"):
            await wrapped["session.get"](id="broken")


def records_of(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if record["phase"] in {"intent", "outcome"}]


async def test_the_audit_layer_by_hand_leaves_the_same_records(tmp_path: Path) -> None:
    with inlined_audit(tmp_path / "by-hand.jsonl") as by_hand:
        await make_calls(by_hand)
    with AuditLog.open(tmp_path / "audit", durability="none") as log:
        await make_calls(audit(log))
    mine = records_of(tmp_path / "by-hand.jsonl")
    ours = records_of(next((tmp_path / "audit").glob("*.jsonl")))
    assert [list(record) for record in mine] == [list(record) for record in ours]
    without = [[{k: v for k, v in record.items() if k not in VARY} for record in seen] for seen in (mine, ours)]
    assert without[0] == without[1]
    assert all(len(a[name]) == len(b[name]) for a, b in zip(mine, ours, strict=True) for name in ("mac", "record"))
    assert by_hand.counts == {name: log.stats.records[name] for name in ("intent", "outcome")}


async def test_the_empty_group_commit_loop_brings_every_line_to_its_file(tmp_path: Path) -> None:
    with group_commit(tmp_path / "lines") as loop:
        await asyncio.gather(*(loop.put(b"%d\n" % number, durable=number % 2 == 0) for number in range(100)))
    lines = (tmp_path / "lines").read_bytes().split(b"\n")
    assert lines == [b"%d" % number for number in range(100)] + [b""]


async def test_the_benchmarks_run(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    none = await audit_none.run(tmp_path / "none", calls=2, rounds=2)
    assert [row.limit for row in none.rows] == [None, 1.2, None, 1.2]
    group = await audit_group.run(tmp_path, callers=4, calls=2, rounds=2)
    assert sum(row.limit is not None for row in group.rows) == 1
