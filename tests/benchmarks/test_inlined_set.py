"""The `session.set` that the stack is measured against leaves nothing out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks._inlined_set import inlined_session_set, unlabelled
from benchmarks._stacks import POLICY, REGION, answer
from storescope import ResidencyError, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import AuditLog, audit, metrics, region_guard, tracing
from tests.benchmarks.test_inlined import VARY, Seen

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unmeasured


def records_of(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if record["phase"] in {"intent", "outcome"}]


def steady(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in VARY}


async def test_it_leaves_the_same_span_metrics_and_audit_records_as_the_stack(tmp_path: Path) -> None:
    by_hand, stacked = Seen(), Seen()
    async with (
        open_backend("memory:", region=REGION) as one,
        open_backend("memory:", region=REGION) as other,
        AuditLog.open(tmp_path / "audit", durability="none") as log,
    ):
        set_by_hand = inlined_session_set(
            one,
            one.info,
            tracer_provider=by_hand.provider,
            registry=by_hand.registry,
            audit_file=tmp_path / "by-hand.jsonl",
            decisions={("acme", REGION): answer("acme")},
        )
        full = wrap(
            other,
            tracing(tracer_provider=stacked.provider),
            metrics(registry=stacked.registry),
            audit(log),
            region_guard(POLICY),
        )
        with call_context(tenant="acme", actor="bench", region=REGION):
            for set_ in (set_by_hand, full["session.set"]):
                for text in ("first", "replaced"):
                    await set_(id="s1", value={"text": text})
            assert await one["session.get"](id="s1") == await other["session.get"](id="s1")
            assert await unlabelled(one["session.get"], "acme", answer("acme"))(id="s1") == {"text": "replaced"}
    assert by_hand.spans == stacked.spans
    assert by_hand.samples == stacked.samples
    mine = records_of(tmp_path / "by-hand.jsonl")
    ours = records_of(next((tmp_path / "audit").glob("*.jsonl")))
    assert [record["phase"] for record in mine] == ["intent", "outcome"] * 2
    assert [list(record) for record in mine] == [list(record) for record in ours]
    assert [steady(record) for record in mine] == [steady(record) for record in ours]


async def test_labels_by_hand_refuse_what_the_guard_does() -> None:
    async with open_backend("memory:", region=REGION) as backend:
        get = unlabelled(backend["session.get"], "acme", answer("acme"))
        await backend["session.set"](id="s1", value={"text": "of nobody"})
        guarded = wrap(backend, region_guard(POLICY))
        with call_context(tenant="acme", actor="bench", region=REGION):
            for each in (get, guarded["session.get"]):
                with pytest.raises(ResidencyError):
                    await each(id="s1")
        assert await get(id="missing") is None
