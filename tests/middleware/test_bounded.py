"""However odd the traffic, the number of series stays bounded, and nothing goes uncounted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import BackendInfo, Call, wrap
from storescope.middleware import metrics
from storescope.middleware._bounded import MOST_DECISIONS, MOST_ERROR_TYPES, MOST_STRANGERS
from storescope.middleware._instruments import instruments_of
from storescope.middleware._region._decision import Decision, Fact
from tests.middleware.helpers import BACKEND, memory_map

if TYPE_CHECKING:
    from storescope import Operation, Step

FLOOD = 10_000


def series(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a counter that are not 0, by their labels."""
    found = (sample for family in registry.collect() for sample in family.samples if sample.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in found if sample.value}


async def test_ten_thousand_error_classes() -> None:
    async def fail(*, id: str) -> None:
        raise type(f"Error{id}", (Exception,), {})("a flood")

    registry = CollectorRegistry()
    # Wrapped twice, the bound holds for both together.
    stacks = [wrap({"session.get": fail}, metrics(registry=registry), backend=BACKEND) for _ in range(2)]
    for number in range(FLOOD):
        with pytest.raises(Exception, match="a flood"):
            await stacks[number % 2]["session.get"](id=str(number))
    counted = series(registry, "agent_storage_errors_total")
    assert len(counted) == MOST_ERROR_TYPES + 1
    assert counted["session.get", "own", "aws:eu-west-1", "other"] == FLOOD - MOST_ERROR_TYPES


async def test_ten_thousand_backends_that_nobody_listed() -> None:
    numbers = iter(range(FLOOD))

    def choose(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        def step(call: Call) -> Any:
            call.backend = BackendInfo("redis", name=f"stranger{next(numbers)}", region="r")
            return next_step(call)

        return step

    registry = CollectorRegistry()
    get = wrap(memory_map(), metrics(registry=registry), choose, backend=BACKEND)["session.get"]
    for _ in range(FLOOD):
        await get(id="s1")
    counted = series(registry, "agent_storage_operations_total")
    assert len(counted) == MOST_STRANGERS + 1
    assert counted["session.get", "other", "other", "ok"] == FLOOD - MOST_STRANGERS


def test_ten_thousand_rules_and_as_many_caller_regions() -> None:
    registry = CollectorRegistry()
    decisions = instruments_of(registry).decisions
    for number in range(FLOOD):
        facts = {"backend_region": Fact(None, "backend"), "call_region": Fact(f"r{number}", "call")}
        made = Decision(
            allowed=False, effect="deny", code="tenant_missing", rule=f"r{number}", policy="d", facts=facts
        )
        for count in decisions.remember(made):
            count()
    counted = series(registry, "agent_storage_residency_decisions_total")
    assert len(counted) == MOST_DECISIONS + 1
    assert counted["deny", "tenant_missing", "other", "other"] == FLOOD - MOST_DECISIONS
    flows = series(registry, "agent_storage_residency_flows_total")
    assert len(flows) == MOST_DECISIONS + 1
    assert flows["deny", "other", "other"] == FLOOD - MOST_DECISIONS
