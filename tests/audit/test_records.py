"""What stands in a record, and that nothing a caller says can break a line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from storescope import BackendInfo, CallContext, ResidencyError, Store, call_context, wrap
from storescope.middleware import AuditLog, audit, region_guard, tracing
from storescope.middleware._audit._ids import IdHasher
from storescope.middleware._audit._keys import StreamKeys, generate, load_secret
from storescope.middleware._audit._record import FIELDS
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.logs import BACKEND, HANDLERS, make_folder, records_of, wrapped, write_some
from tests.policies import EU_ONLY
from tests.policies import FORBIDDEN as US
from tests.policies import REGION as EU

if TYPE_CHECKING:
    from storescope import Call


def test_every_record_has_every_field_in_order_and_the_mac_last(tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path, streams=2)
    for path in folder.glob("*.jsonl"):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            record = json.loads(line)
            names = list(record)
            assert tuple(names[: len(FIELDS)]) == FIELDS
            assert names[-1] == "mac"
            assert record["seq"] == number
            assert record["stream"] == path.name.split(".")[0]
            assert line.isascii()


async def test_an_intent_is_joined_to_its_outcome(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        await write_some(log, 1)
        header, intent, outcome, read = records_of(log)
    assert [r["phase"] for r in (header, intent, outcome, read)] == ["header", "intent", "outcome", "outcome"]
    assert intent["call_id"] == outcome["call_id"] != read["call_id"]
    assert (intent["operation"], intent["outcome"]) == ("session.set", None)
    assert (outcome["outcome"], outcome["tenant"], outcome["actor"]) == ("ok", "acme", "someone")
    assert (outcome["backend"], outcome["backend_region"]) == (BACKEND.system, EU)
    assert outcome["duration_us"] >= 0


async def test_ids_are_hashed_with_one_key_for_the_folder(tmp_path: Path) -> None:
    public, secret = generate(tmp_path / "auditor")
    for _ in range(2):
        with AuditLog.open(tmp_path / "audit", auditor=public) as log:
            await wrapped(log)["session.get"](id="s1")
            await wrapped(log)["message.listBySession"](session_id="s1")
    log = AuditLog.open(tmp_path / "audit", auditor=public)
    log.close()
    outcomes = [record for record in records_of(log) if record["phase"] == "outcome"]
    seen = [outcome["session"] for outcome in outcomes]
    assert len(set(seen)) == 1
    assert [outcome["record"] for outcome in outcomes] == [seen[0], None] * 2
    headers = [record for record in records_of(log) if record["phase"] == "header"]
    keys = [StreamKeys.unseal(header["sealed"], load_secret(secret)) for header in headers]
    assert keys[0].ids == keys[1].ids
    assert keys[0].mac != keys[1].mac
    assert IdHasher(keys[0].ids).hash("s1") == seen[0]


async def test_ids_in_clear_for_who_asked(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit", ids="clear") as log:
        await wrapped(log)["session.get"](id='s"1\ud800')
    assert records_of(log)[1]["record"] == 's"1\ud800'


texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)  # lone surrogates too


def as_json_reads(text: str) -> str:
    """Join the surrogates that stand beside each other by chance: JSON cannot keep them apart."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@settings(max_examples=100, deadline=None)
@given(said=st.lists(texts, min_size=5, max_size=5), error=texts)
async def test_nothing_that_a_caller_says_can_break_a_line(said: list[str], error: str) -> None:
    call_id, actor, tenant, region, session = said

    async def fail(*, id: str) -> None:
        raise type("Any", (Exception,), {"__module__": tenant, "__qualname__": error})(id)

    context = CallContext(call_id=call_id, actor=actor, tenant=tenant, region=region)
    with tempfile.TemporaryDirectory() as root:
        public, secret = generate(Path(root) / "auditor")
        with AuditLog.open(Path(root) / "audit", auditor=public, durability="none") as log:
            with pytest.raises(Exception):  # noqa: B017, PT011 (a class that the test has just made)
                await Store("session.get", {"id": session}, context).on(
                    wrap({"session.get": fail}, audit(log), backend=BACKEND)
                )
            _, outcome = records_of(log)
        assert verify(log.folder, secret).verdict is Verdict.INTACT
    assert [outcome[name] for name in ("call_id", "actor", "tenant", "caller_region", "error_type")] == [
        as_json_reads(text) for text in (call_id, actor, tenant, region, f"{tenant}.{error}")
    ]


async def test_the_intent_of_a_write_carries_the_decision_already(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        handlers = wrapped(log, region_guard(EU_ONLY, caller_region=EU))
        with call_context(tenant="acme"):
            await handlers["session.set"](id="s1", value={})
        with call_context(tenant="acme", region=US), pytest.raises(ResidencyError):
            await handlers["session.set"](id="s1", value={})
        _, allowed, _, denied, outcome = records_of(log)
    assert (allowed["phase"], allowed["decision"], allowed["rule"]) == ("intent", "allow", "eu-only")
    assert allowed["policy"] == EU_ONLY.digest
    assert allowed["caller_region"] == EU  # the guard's, where the call says none
    assert (denied["phase"], denied["decision"], denied["code"]) == ("intent", "deny", "call_region_forbidden")
    assert (outcome["outcome"], outcome["error_type"]) == ("denied", "ResidencyError")


async def test_what_will_not_be_made_waits_for_no_disk(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        handlers = wrapped(log, region_guard(EU_ONLY))
        for wrong in ({"id": "s1", "value": {}}, {"id": "", "value": {}}):
            with pytest.raises(Exception, match=r"session\.set"):
                await handlers["session.set"](**wrong)
        assert sum(log.stats.waits) == 0


async def test_trace_ids_are_the_spans(tmp_path: Path) -> None:
    seen: list[Any] = []

    def look(next_step: Any, operation: Any, backend: Any) -> Any:
        def step(call: Call) -> Any:
            seen.append(call.span_context)
            return next_step(call)

        return step

    with AuditLog.open(tmp_path / "audit") as log:
        handlers = wrap(HANDLERS, tracing(tracer_provider=TracerProvider()), audit(log), look, backend=BACKEND)
        await handlers["session.get"](id="s1")
        _, outcome = records_of(log)
    assert int(outcome["trace_id"], 16) == seen[0].trace_id
    assert int(outcome["span_id"], 16) == seen[0].span_id


async def test_circumstances_are_forgotten_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storescope.middleware._audit._record._MOST_REMEMBERED", 4)
    with AuditLog.open(tmp_path / "audit", durability="none") as log:
        for number in range(20):
            with call_context(tenant=f"t{number}"):
                await wrapped(log)["session.get"](id="s1")
        assert len(log.ids.circumstances._made) <= 4
    assert [r["tenant"] for r in records_of(log)[1:-1]] == [f"t{number}" for number in range(20)]


async def test_the_outcome_names_the_backend_that_a_router_chose(tmp_path: Path) -> None:
    known, unknown = BackendInfo("redis", "near", region=EU), BackendInfo("redis", "far", region=US)
    chosen = known

    def choose(next_step: Any, operation: Any, backend: Any) -> Any:
        def step(call: Call) -> Any:
            call.backend = chosen
            return next_step(call)

        return step

    router = BackendInfo("router", members=(known,))
    with AuditLog.open(tmp_path / "audit", durability="none") as log:
        handlers = wrap(HANDLERS, audit(log), choose, backend=router)
        await handlers["session.set"](id="s1", value={})
        chosen = unknown
        await handlers["session.get"](id="s1")
        seen = [(r["phase"], r["backend"], r["backend_region"]) for r in records_of(log)[1:]]
    assert seen == [("intent", "router", None), ("outcome", "near", EU), ("outcome", "far", US)]
