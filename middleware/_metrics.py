"""Prometheus metrics of every storage operation."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from prometheus_client import REGISTRY

from storescope.middleware._audit._layer import Audit
from storescope.middleware._bounded import by_member
from storescope.middleware._handler_timer import handler_timer
from storescope.middleware._instruments import instruments_of
from storescope.middleware._log import telemetry_failed
from storescope.middleware._meter import Meter
from storescope.middleware._record_size import measure_record
from storescope.middleware._region._guard import RegionGuard
from storescope.middleware._trace_ids import trace_ids
from storescope.outcome import OUTCOMES, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from prometheus_client import CollectorRegistry

    from storescope.call import BackendInfo, Call, Middleware, Step
    from storescope.contract import Operation
    from storescope.middleware._instruments import Instruments
    from storescope.outcome import Failure

_Ended: TypeAlias = "tuple[Callable[..., None], Callable[..., None]]"


class Metrics:
    """The layer that `metrics` makes.

    Attributes:
        region: Where the metrics go, for policies that rule on telemetry.
    """

    layer = "metrics"

    def __init__(
        self, registry: CollectorRegistry, region: str | None, *, sizes: bool, meter: Meter | None
    ) -> None:
        self._instruments = instruments_of(registry)
        self._sizes = sizes
        self._meter = meter
        self.region = region

    def on_wrap(self, info: BackendInfo, layers: tuple[Middleware, ...]) -> None:
        """Count what the other layers of the stack know: the audit log's state, the policy in force."""
        del info
        for layer in layers:
            if isinstance(layer, Audit):
                self._instruments.audit.add(layer)
            elif isinstance(layer, RegionGuard):
                self._instruments.policies.add(layer)

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that measures the next one."""
        if self._meter is not None:
            next_step = self._meter(next_step, operation, backend)
        in_flight = self._instruments.in_flight.labels(operation.name, *backend.labels)
        begin, end = in_flight.inc, in_flight.dec
        series = self._series(operation, backend)
        chosen = by_member(backend, partial(self._series, operation))

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

    def at_handler(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that times the handler itself, inside of every layer."""
        return handler_timer(self._instruments.backend_duration, next_step, operation, backend)

    def _series(self, operation: Operation, backend: BackendInfo) -> _Series:
        return _Series(self._instruments, operation, backend, sizes=self._sizes)


def metrics(
    *,
    registry: CollectorRegistry = REGISTRY,
    region: str | None = None,
    sizes: bool = False,
    meter_provider: MeterProvider | None = None,
) -> Metrics:
    """Count and time every storage operation with prometheus-client.

    Stacks on one registry share its collectors. Durations of sampled calls carry an exemplar with their trace id.

    Args:
        registry: Where the collectors are registered.
        region: Where the metrics are kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.
        sizes: Whether to measure records too, in `agent_storage_record_bytes`: the length in bytes of the JSON of
            each one that is set, updated or got. It costs one encoding of each; nothing of it is kept.
        meter_provider: Where the same measurements go through OpenTelemetry's metrics API as well,
            `db.client.operation.duration` among them.

    Returns:
        A middleware.

    Raises:
        ValueError: If the registry holds one of the names already, and not from storescope.
    """
    meter = None if meter_provider is None else Meter(meter_provider, sizes=sizes)
    return Metrics(registry, region, sizes=sizes, meter=meter)


class _Series:
    """The children of one operation on one backend, resolved once; all that can be known start at 0."""

    def __init__(
        self, instruments: Instruments, operation: Operation, backend: BackendInfo, *, sizes: bool
    ) -> None:
        labels = (operation.name, *backend.labels)
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
        self._look: Callable[[Call, Any], None] | None = None
        if operation.verb == "listBySession":
            listed = instruments.listed.labels(*labels)
            self._look = lambda _, result: listed.observe(len(result))
        elif sizes:
            self._look = measure_record(operation, instruments.record_bytes.labels(*labels).observe)
        self._error_types = instruments.error_types(labels)
        self._decisions = instruments.decisions

    def end(self, call: Call, result: Any, error: BaseException | None, leave: Callable[..., None]) -> None:
        """Count a call that returned, or raised; it is in flight no more. This never raises."""
        try:
            leave()
            if error is None:
                count, observe = self._ok
                if self._look is not None:
                    self._look(call, result)
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
                reason, flow = self._decisions.counts.get(decision) or self._decisions.remember(decision)
                reason()
                flow()
        except Exception as fault:
            telemetry_failed("metrics", fault)

    def _count_failure(self, failure: Failure) -> _Ended:
        """Count the error's type; return what counts and times the outcome."""
        if failure.outcome != "cancelled":
            self._error_types.child(failure.error_type).inc()
        return self._ended[failure.outcome]
