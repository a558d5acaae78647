"""Prometheus metrics of every storage operation."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from prometheus_client import REGISTRY

from storescope.middleware._audit._layer import Audit
from storescope.middleware._instruments import instruments_of
from storescope.middleware._log import telemetry_failed
from storescope.middleware._region._guard import RegionGuard
from storescope.middleware._trace_ids import trace_ids
from storescope.outcome import OUTCOMES, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry, Counter

    from storescope.call import BackendInfo, Call, Middleware, ResidencyDecision, Step
    from storescope.contract import Operation
    from storescope.middleware._instruments import Instruments
    from storescope.outcome import Failure

_Ended: TypeAlias = "tuple[Callable[..., None], Callable[..., None]]"

# A flood of odd error classes must not become a flood of series.
_MOST_ERROR_TYPES = 50

# Decisions are kept by identity; past this many they are forgotten together.
_MOST_REMEMBERED = 4_096


class Metrics:
    """The layer that `metrics` makes.

    Attributes:
        region: Where the metrics go, for policies that rule on telemetry.
    """

    layer = "metrics"

    def __init__(self, registry: CollectorRegistry, region: str | None) -> None:
        self._instruments = instruments_of(registry)
        self._decisions = _Decisions(self._instruments.decisions)
        self.region = region

    def on_wrap(self, info: BackendInfo, layers: tuple[Middleware, ...]) -> None:
        """Count what the other layers of the stack know: the audit log's state, the policy in force."""
        del info
        for layer in layers:
            if isinstance(layer, Audit):
                for log in layer.logs:
                    self._instruments.audit.add(log)
            elif isinstance(layer, RegionGuard):
                self._instruments.policies.add(layer)

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that measures the next one."""
        in_flight = self._instruments.in_flight.labels(operation.name, *_labels(backend))
        begin, end = in_flight.inc, in_flight.dec
        series = _Series(self._instruments, self._decisions, operation, backend)
        members = {
            member: _Series(self._instruments, self._decisions, operation, member) for member in backend.members
        }

        def chosen(member: BackendInfo) -> _Series:
            known = members.get(member)
            return known or _Series(self._instruments, self._decisions, operation, member)

        async def step(call: Call) -> Any:
            try:
                begin()
            except Exception as fault:
                telemetry_failed("metrics", fault)
            try:
                result = await next_step(call)
            except BaseException as error:
                (series if call.backend is None else chosen(call.backend)).end(call, None, error, end)
                raise
            (series if call.backend is None else chosen(call.backend)).end(call, result, None, end)
            return result

        return step


def metrics(*, registry: CollectorRegistry = REGISTRY, region: str | None = None) -> Metrics:
    """Count and time every storage operation with prometheus-client.

    Stacks on one registry share its collectors. Durations of sampled calls carry an exemplar with their trace id.

    Args:
        registry: Where the collectors are registered.
        region: Where the metrics are kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.

    Returns:
        A middleware.

    Raises:
        ValueError: If the registry holds one of the names already, and not from storescope.
    """
    return Metrics(registry, region)


class _Series:
    """The children of one operation on one backend, resolved once; all that can be known start at 0."""

    def __init__(
        self, instruments: Instruments, decisions: _Decisions, operation: Operation, backend: BackendInfo
    ) -> None:
        labels = (operation.name, *_labels(backend))
        # Only an update can miss its record.
        outcomes = [name for name in OUTCOMES if name != "not_found" or operation.verb == "update"]
        self._ended: dict[str, _Ended] = {
            outcome: (
                instruments.operations.labels(*labels, outcome).inc,
                instruments.duration.labels(*labels, outcome).observe,
            )
            for outcome in outcomes
        }
        self._ok = self._ended["ok"]
        self._listed = instruments.listed.labels(*labels) if operation.verb == "listBySession" else None
        self._errors = instruments.errors
        self._decisions = decisions
        self._labels = labels
        self._error_types: dict[str, Counter] = {}

    def end(self, call: Call, result: Any, error: BaseException | None, leave: Callable[..., None]) -> None:
        """Count a call that returned, or raised; it is in flight no more. This never raises."""
        try:
            leave()
            if error is None:
                count, observe = self._ok
                if self._listed is not None:
                    self._listed.observe(len(result))
            else:
                count, observe = self._count_failure(failure_of(call, error))
            count()
            seconds = (perf_counter_ns() - call.opened_ns) / 1e9
            ids = call.trace or trace_ids(call)
            if ids is not None and ids[2]:
                observe(seconds, {"trace_id": ids[0], "span_id": ids[1]})
            else:
                observe(seconds)
            decision = call.decision
            if decision is not None:
                count = self._decisions.counts.get(decision) or self._decisions.remember(decision)
                count()
        except Exception as fault:
            telemetry_failed("metrics", fault)

    def _count_failure(self, failure: Failure) -> _Ended:
        """Count the error's type; return what counts and times the outcome."""
        if failure.outcome != "cancelled":
            self._error_child(failure.error_type).inc()
        return self._ended[failure.outcome]

    def _error_child(self, error_type: str) -> Counter:
        child = self._error_types.get(error_type)
        if child is None:
            if len(self._error_types) >= _MOST_ERROR_TYPES:
                return self._errors.labels(*self._labels, "other")
            child = self._error_types[error_type] = self._errors.labels(*self._labels, error_type)
        return child


class _Decisions:
    """Counts residency decisions. The guard remembers its decisions, so each has its count at hand."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self.counts: dict[ResidencyDecision, Callable[[], None]] = {}

    def remember(self, decision: ResidencyDecision) -> Callable[[], None]:
        """Return what counts a decision that was not seen before."""
        if len(self.counts) >= _MOST_REMEMBERED:
            self.counts.clear()
        child = self._counter.labels(
            decision.effect, decision.code, decision.rule or "none", decision.backend_region or "unknown"
        )
        self.counts[decision] = child.inc
        return child.inc


def _labels(backend: BackendInfo) -> tuple[str, str]:
    return backend.label, backend.region or "unknown"
