"""The metrics that the definitions promise, and that nothing about them can break a call."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from storescope import OPERATIONS, StorageTimeoutError, WrapError, call_context, wrap
from storescope.middleware import AuditLog, ResidencyPolicy, audit, metrics, region_guard, timeout, tracing
from storescope.middleware import _bounded as module
from storescope.middleware import _log as own_log
from storescope.middleware._cells import GaugeCell
from storescope.middleware._definitions import METRICS
from tests.middleware.helpers import BACKEND, memory_map, stack
from tests.policies import REGION
from tests.region.policies import sound

if TYPE_CHECKING:
    from pathlib import Path

LABELS = {"operation": "session.get", "backend": "own", "region": REGION}


async def test_the_exposition_is_what_the_definitions_say(tmp_path: Path) -> None:
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=REGION):
        await seen.handlers["session.get"](id="s1")
        with pytest.raises(Exception, match="no session has this id"):
            await seen.handlers["session.update"](id="s1", updates={})
        families = {family.name: family for family in seen.registry.collect()}
    wanted = {metric.name.removesuffix("_total"): metric for metric in METRICS}
    assert set(families) == set(wanted)
    for name, metric in wanted.items():
        family = families[name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), name
        if metric.buckets and family.samples:  # sizes are measured only when asked for
            bounds = [float(s.labels["le"]) for s in family.samples if s.name.endswith("_bucket")]
            assert bounds[: len(metric.buckets) + 1] == [*map(float, metric.buckets), float("inf")]


def test_what_can_be_known_starts_at_0() -> None:
    registry = CollectorRegistry()
    wrap(memory_map(), metrics(registry=registry), backend=BACKEND)
    for name, operation in OPERATIONS.items():
        labels = {**LABELS, "operation": name}
        assert registry.get_sample_value("agent_storage_operations_in_flight", labels) == 0
        for outcome in ("ok", "denied", "error", "cancelled"):
            ended = {**labels, "outcome": outcome}
            assert registry.get_sample_value("agent_storage_operations_total", ended) == 0
            assert registry.get_sample_value("agent_storage_operation_duration_seconds_count", ended) == 0
        missed = registry.get_sample_value("agent_storage_operations_total", {**labels, "outcome": "not_found"})
        assert missed == (0 if operation.verb == "update" else None)


@pytest.mark.parametrize(("sampler", "wanted"), [(ALWAYS_ON, True), (ALWAYS_OFF, False)])
async def test_exemplars_only_when_sampled_and_only_in_openmetrics(
    sampler: Any,
    wanted: bool,
    tmp_path: Path,
) -> None:
    with stack(memory_map(), tmp_path) as seen:
        layers = (tracing(tracer_provider=TracerProvider(sampler=sampler)), metrics(registry=seen.registry))
        await wrap(memory_map(), *layers, backend=BACKEND)["session.get"](id="s1")
        assert ('trace_id="' in seen.exposition) == wanted
        assert "trace_id" not in generate_latest(seen.registry).decode()


async def test_two_stacks_on_one_registry_share_its_collectors() -> None:
    registry = CollectorRegistry()
    for _ in range(2):
        await wrap(memory_map(), metrics(registry=registry), backend=BACKEND)["session.get"](id="s1")
    assert registry.get_sample_value("agent_storage_operations_total", {**LABELS, "outcome": "ok"}) == 2


def test_a_registry_that_holds_the_name_of_somebody_else_is_refused() -> None:
    registry = CollectorRegistry()
    Gauge("agent_storage_operations_in_flight", "not ours", registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        metrics(registry=registry)


async def test_a_flood_of_error_types_becomes_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ERROR_TYPES", 3)

    async def fail(*, id: str) -> None:
        raise type(f"Error{id}", (Exception,), {"__module__": "builtins"})("a flood")

    registry = CollectorRegistry()
    get = wrap({"session.get": fail}, metrics(registry=registry), backend=BACKEND)["session.get"]
    for number in [0, 1, 2, 3, 4, 0]:
        with pytest.raises(Exception, match="a flood"):
            await get(id=str(number))
    counts = {
        name: registry.get_sample_value("agent_storage_errors_total", {**LABELS, "error_type": name})
        for name in ("Error0", "Error1", "Error2", "Error3", "other")
    }
    assert counts == {"Error0": 2, "Error1": 1, "Error2": 1, "Error3": None, "other": 2}


async def test_decisions_and_the_policy_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 1)
    registry, policy = CollectorRegistry(), ResidencyPolicy.from_dict(sound())
    handlers = wrap(memory_map(), metrics(registry=registry), region_guard(policy), backend=BACKEND)
    for tenant in ("acme", "globex", "acme"):
        with call_context(tenant=tenant, region=REGION):
            try:
                await handlers["session.get"](id="s1")
            except Exception as error:
                assert tenant == "globex", error  # noqa: PT017 (either way is fine, by tenant)
    allowed = {"decision": "allow", "code": "allowed", "rule": "eu-only", "backend_region": REGION}
    denied = {"decision": "deny", "code": "backend_region_forbidden", "rule": "us-data", "backend_region": REGION}
    assert registry.get_sample_value("agent_storage_residency_decisions_total", allowed) == 2
    assert registry.get_sample_value("agent_storage_residency_decisions_total", denied) == 1
    info = {"version": "7", "digest": policy.digest}
    assert registry.get_sample_value("agent_storage_residency_policy_info", info) == 1
    ends = registry.get_sample_value(
        "agent_storage_residency_exception_expiry_timestamp_seconds", {"exception": "support"}
    )
    assert ends == policy.exceptions[0].expires


async def write_and_close(log: AuditLog, registry: CollectorRegistry) -> None:
    handlers = wrap(memory_map(), metrics(registry=registry), audit(log))
    await handlers["session.set"](id="s1", value={})
    log.close()


async def test_audit_logs_are_added_up_and_forgotten_when_they_go(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    assert registry.get_sample_value("agent_storage_audit_records_total", {"phase": "header"}) is None
    logs = [AuditLog.open(tmp_path / name, timeout=30) for name in "ab"]
    await asyncio.gather(*(write_and_close(log, registry) for log in logs))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"agent_storage_audit_{name}", labels)

    assert [value("records_total", phase=p) for p in ("header", "intent", "outcome", "gap", "seal")] == [
        2,
        2,
        2,
        0,
        2,
    ]
    assert value("failures_total", reason="write") == 0
    assert value("wait_seconds_count") == 2
    assert value("last_seal_timestamp_seconds") == max(log.stats.last_seal for log in logs)
    assert (value("disk_free_bytes") or 0) > 0
    logs.clear()
    gc.collect()
    assert value("records_total", phase="header") is None


async def test_a_broken_instrument_breaks_no_call(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_log._last_reported.clear()
    registry = CollectorRegistry()

    def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    layer = metrics(registry=registry)
    monkeypatch.setattr(GaugeCell, "inc", fail)
    monkeypatch.setattr(GaugeCell, "dec", fail)
    with caplog.at_level(logging.WARNING):
        assert await wrap(memory_map(), layer, backend=BACKEND)["session.get"](id="s1") is None
    assert [line for line in caplog.messages if "telemetry_failed" in line]
    assert "secret" not in caplog.text


def test_the_version_is_told() -> None:
    registry = CollectorRegistry()
    metrics(registry=registry)
    assert 'agent_storage_build_info{version="0.' in generate_latest(registry).decode()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_time_out_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(WrapError, match="greater than 0"):
        timeout(seconds)


async def test_a_time_out_names_its_limit_and_a_handlers_own_passes_through() -> None:
    async def own(*, id: str) -> None:
        raise TimeoutError("the handler's own")

    with pytest.raises(TimeoutError, match="the handler's own"):
        await wrap({"session.get": own}, timeout(5))["session.get"](id="s1")
    error = StorageTimeoutError("session.get", 0.5)
    assert (str(error), error.seconds) == ("session.get took longer than 0.5 s", 0.5)
    assert str(StorageTimeoutError("session.set", 2)).endswith("than 2 s; a write may have been applied")
