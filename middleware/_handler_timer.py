"""Times the handlers themselves, inside of every layer: what is left of a call's duration is the layers' own."""

from __future__ import annotations

from functools import cache
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from storescope.middleware._bounded import by_member
from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation
    from storescope.middleware._cells import HistogramLike, Labelled


def handler_timer(
    duration: Labelled[HistogramLike], next_step: Step, operation: Operation, backend: BackendInfo
) -> Step:
    """Return a step that times one handler, however it ends; a call that is refused never gets there.

    What a layer asks of the store for another call is charged to that call's operation, as part of its time.
    A router times its handlers itself (`router_handler`); what they took together is then what is observed.
    """

    @cache
    def series(name: str) -> tuple[HistogramLike, Callable[[BackendInfo], HistogramLike]]:
        def of(place: BackendInfo) -> HistogramLike:
            return duration.labels(name, *place.labels)

        return of(backend), by_member(backend, of)

    own = series(operation.name)[0].observe

    def observe_other(call: Call, seconds: float) -> None:
        wrapped, chosen = series((call.made_for or call).operation.name)
        (wrapped if call.backend is None else chosen(call.backend)).observe(seconds)

    async def step(call: Call) -> Any:
        begun = perf_counter_ns()
        try:
            return await next_step(call)
        finally:
            try:
                taken = call.handler_ns
                if taken is None:
                    taken = perf_counter_ns() - begun
                if call.refusal is None and taken:  # a router that denies a call spends none
                    if call.made_for is None and call.backend is None:
                        own(taken / 1e9)
                    else:
                        observe_other(call, taken / 1e9)
            except Exception as fault:
                telemetry_failed("metrics", fault)

    return step


def begin_router(call: Call) -> None:
    """Note that a call goes through a router, which has called no handler for it yet."""
    call.handler_ns = 0


def router_handler(handler: Step) -> Step:
    """Return a step that times one of a router's handlers, for the call that it is made for."""

    async def step(call: Call) -> Any:
        begun = perf_counter_ns()
        try:
            return await handler(call)
        finally:
            charged = call.made_for or call
            charged.handler_ns = (charged.handler_ns or 0) + perf_counter_ns() - begun

    return step
