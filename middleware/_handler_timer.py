"""Times the handlers themselves, inside of every layer: what is left of a call's duration is the layers' own."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from storescope.middleware._bounded import by_member
from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from prometheus_client import Histogram

    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation


def handler_timer(duration: Histogram, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
    """Return a step that times one handler, however it ends; a call that is refused never gets there."""

    def series(place: BackendInfo) -> Histogram:
        return duration.labels(operation.name, *place.labels)

    own, chosen = series(backend).observe, by_member(backend, series)

    async def step(call: Call) -> Any:
        begun = perf_counter_ns()
        try:
            return await next_step(call)
        finally:
            try:
                if call.refusal is None:
                    observe = own if call.backend is None else chosen(call.backend).observe
                    observe((perf_counter_ns() - begun) / 1e9)
            except Exception as fault:
                telemetry_failed("metrics", fault)

    return step
