"""The same measurements through OpenTelemetry's metrics API, for who exports over OTLP."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from storescope.middleware._bounded import MOST_ERROR_TYPES
from storescope.middleware._definitions import DURATION_BUCKETS, LISTED, RECORD_BYTES
from storescope.middleware._log import telemetry_failed
from storescope.middleware._record_size import measure_record
from storescope.outcome import OUTCOMES, failure_of

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation
    from storescope.outcome import Failure


class Meter:
    """Makes the instruments once, and a step for each operation."""

    def __init__(self, provider: MeterProvider, *, sizes: bool) -> None:
        meter = provider.get_meter("storescope")
        # The convention's name and unit; its bounds, 1 ms to 10 s, are among these, which start at 50 us.
        self.duration = meter.create_histogram(
            "db.client.operation.duration",
            "s",
            "Duration of database client operations.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.rows = meter.create_histogram(
            "db.client.response.returned_rows",
            "{row}",
            "Records that one listBySession returned.",
            explicit_bucket_boundaries_advisory=[float(bound) for bound in LISTED.buckets],
        )
        self.operations = meter.create_counter(
            "agent_storage.operations", "{operation}", "Storage operations that ended, by how."
        )
        self.active = meter.create_up_down_counter(
            "agent_storage.operations.active", "{operation}", "Storage operations that have begun and not ended."
        )
        self.decisions = meter.create_counter(
            "agent_storage.residency.decisions", "{decision}", "Residency decisions, by what was decided and why."
        )
        self.sizes = (
            meter.create_histogram(
                "agent_storage.record.size",
                "By",
                RECORD_BYTES.help,
                explicit_bucket_boundaries_advisory=RECORD_BYTES.buckets,
            )
            if sizes
            else None
        )

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that measures the next one."""
        series = _Series(self, operation, backend)
        members = {member: _Series(self, operation, member) for member in backend.members}
        active, mine = self.active, series.own

        async def step(call: Call) -> Any:
            try:
                active.add(1, mine)
            except Exception as fault:
                telemetry_failed("metrics", fault)
            try:
                result = await next_step(call)
            except BaseException as error:
                (series if call.backend is None else members.get(call.backend, series)).end(call, None, error)
                raise
            (series if call.backend is None else members.get(call.backend, series)).end(call, result, None)
            return result

        return step


class _Series:
    """The attributes of one operation on one backend, made once."""

    def __init__(self, meter: Meter, operation: Operation, backend: BackendInfo) -> None:
        self._meter = meter
        named = {"db.operation.name": operation.verb, "db.collection.name": operation.entity}
        known = {
            "db.system.name": backend.system,
            "db.namespace": backend.namespace,
            "server.address": backend.address,
            "server.port": backend.port,
        }
        self.client: dict[str, str | int] = {**named, **{name: value for name, value in known.items() if value}}
        region = backend.region or "unknown"
        self.own = {**named, "agent_storage.backend.name": backend.label, "agent_storage.backend.region": region}
        self._ended = {outcome: {**self.own, "agent_storage.outcome": outcome} for outcome in OUTCOMES}
        self._lists = operation.verb == "listBySession"
        self._error_types: set[str] = set()
        sizes = meter.sizes
        self._size = (
            None
            if sizes is None or self._lists
            else measure_record(operation, lambda size: sizes.record(size, self.own))
        )

    def end(self, call: Call, result: Any, error: BaseException | None) -> None:
        """Record a call that returned, or raised. This never raises."""
        meter = self._meter
        try:
            meter.active.add(-1, self.own)
            outcome, client = "ok", self.client
            if error is not None:
                failure = failure_of(call, error)
                outcome, client = failure.outcome, self._failed(failure)
            elif self._lists:
                meter.rows.record(len(result), client)
            elif self._size is not None:
                self._size(call, result)
            meter.duration.record((perf_counter_ns() - call.opened_ns) / 1e9, client)
            meter.operations.add(1, self._ended[outcome])
            decision = call.decision
            if decision is not None:
                attributes = {
                    "agent_storage.residency.decision": decision.effect,
                    "agent_storage.residency.code": decision.code,
                    "agent_storage.residency.rule": decision.rule or "none",
                    "agent_storage.backend.region": decision.backend_region or "unknown",
                }
                meter.decisions.add(1, attributes)
        except Exception as fault:
            telemetry_failed("metrics", fault)

    def _failed(self, failure: Failure) -> dict[str, str | int]:
        """Add what failed: its class and, if the store gave one, its code. Past the bound it is `_OTHER`."""
        error_type = failure.error_type
        if error_type not in self._error_types:
            if len(self._error_types) >= MOST_ERROR_TYPES:
                return {**self.client, "error.type": "_OTHER"}  # the convention's own word
            self._error_types.add(error_type)
        code = failure.error_type.partition(":")[2]
        return {**self.client, "error.type": error_type, **({"db.response.status_code": code} if code else {})}
