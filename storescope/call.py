"""What passes through the middleware: one `Call`, and the types around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import getrandbits
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import asyncio

    from storescope.context import CallContext
    from storescope.contract import Operation
    from storescope.outcome import Failure


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What is known of a store at wrap time; telemetry and the region guard go by it.

    Attributes:
        system: The kind of store in OpenTelemetry's words (`db.system.name`): `postgresql`, `redis`.
        name: The team's own name for it; the `backend` label, or `system` if empty.
        address: The server's host, never with credentials.
        namespace: The database, schema or key prefix in it.
        region: Where its data rests, `aws:eu-west-1`; None if nobody said.
        region_confidence: How well that is known: `declared` (somebody said so) < `probed` (a marker in the store,
            or the name of its endpoint, says so too) < `attested` (so does the user's own check). Or `conflict`:
            the sources do not agree, and the guard denies.
        members: The backends behind a router.
        keeps_labels: Whether records come back whole, the reserved fields of the guard included.
        port: The server's port, if one is known.
    """

    system: str
    name: str = ""
    address: str = ""
    namespace: str = ""
    region: str | None = None
    region_confidence: str = "declared"
    members: tuple[BackendInfo, ...] = ()
    keeps_labels: bool = False
    port: int | None = None

    @property
    def label(self) -> str:
        """The backend's name in metrics and audit records."""
        return self.name or self.system

    @property
    def labels(self) -> tuple[str, str]:
        """Its labels `backend` and `region` in metrics; what is not known is `unknown`."""
        return self.label, self.region or "unknown"


UNKNOWN_BACKEND = BackendInfo(system="unknown")
"""Stands for a handler map of which `wrap` was told nothing."""


TraceIds: TypeAlias = "tuple[str, str, bool]"
"""The span that a call runs in, in the hex form that logs and exemplars use: trace id, span id, sampled."""


class ResidencyDecision(Protocol):
    """What the core and the observing layers need to know of a residency decision."""

    @property
    def allowed(self) -> bool:
        """Whether the call may go on."""
        ...

    @property
    def effect(self) -> str:
        """`allow`, `deny`, `would_deny` (monitored), `exception` or `filtered`."""
        ...

    @property
    def code(self) -> str:
        """The stable word for the reason."""
        ...

    @property
    def rule(self) -> str | None:
        """The rule that decided."""
        ...

    @property
    def exception(self) -> str | None:
        """The policy's exception that let the call through."""
        ...

    @property
    def policy(self) -> str:
        """The policy's digest."""
        ...

    @property
    def caller_region(self) -> str | None:
        """Where the call comes from, as the guard knows it."""
        ...

    @property
    def backend_region(self) -> str | None:
        """The region of the backend that was decided about."""
        ...


class Lease(Protocol):
    """What the core knows of a lease on a session."""

    def hold_good(self) -> None:
        """Raise if it has ended."""
        ...


class Call:
    """One storage call on its way through the middleware, shared by every step of it.

    Attributes:
        operation: Which of the fifteen.
        made_for: The call for which a guard makes this one, to look before a write; None for the agent's own.
        params: The handler's keyword arguments; the innermost step passes these on.
        context: For whom, by whom, from where.
        attempt: 1 for the first try.
        opened_ns: `perf_counter_ns` when the call was made.
        record_id: The id that the call names; None for a list, or if the id was refused.
        session_id: The session it belongs to, when the call says so.
        refusal: Why the arguments are refused; the innermost step raises it, so that every layer sees it.
        decision: What the region guard decided, once it has.
        backend: The backend that a router chose; None means the one that was wrapped.
        lease: What must last until the backend has answered, if the guard follows pins.
        handler_ns: How long the handlers of a router took, in nanoseconds, looks of the guard included; None where
            no router calls handlers of its own.
        span_context: The OpenTelemetry `SpanContext` of the call's span, once the tracing layer has made it.
        trace: Its ids, once somebody asked for them.
        deadline: The time-out in force, so that a layer inside it can tell it from a caller's cancellation.
        failure: The exception that passed, and how it was classified.
    """

    __slots__ = (
        "_call_id",
        "attempt",
        "backend",
        "context",
        "deadline",
        "decision",
        "failure",
        "handler_ns",
        "lease",
        "made_for",
        "opened_ns",
        "operation",
        "params",
        "record_id",
        "refusal",
        "session_id",
        "span_context",
        "trace",
    )

    def __init__(self, operation: Operation, params: dict[str, Any], context: CallContext) -> None:
        self.operation = operation
        self.params = params
        self.context = context
        self._call_id = context.call_id
        self.attempt = context.attempt
        self.opened_ns = perf_counter_ns()
        self.record_id: str | None = None
        self.session_id: str | None = None
        self.refusal: BaseException | None = None
        self.decision: ResidencyDecision | None = None
        self.backend: BackendInfo | None = None
        self.lease: Lease | None = None
        self.handler_ns: int | None = None
        self.made_for: Call | None = None
        self.span_context: Any = None
        self.trace: TraceIds | None = None
        self.deadline: asyncio.Timeout | None = None
        self.failure: tuple[BaseException, Failure] | None = None

    @property
    def call_id(self) -> str:
        """The call's own id, 32 hex digits; the envelope's, if it carried one."""
        if self._call_id is None:
            self._call_id = f"{getrandbits(128):032x}"
        return self._call_id


Step: TypeAlias = Callable[[Call], Awaitable[Any]]
"""One layer around one operation."""

Middleware: TypeAlias = Callable[[Step, "Operation", BackendInfo], Step]
"""Asked once per operation, at wrap time, for a step around the next one.

It may carry, as attributes, any of:

- `layer`: its name; `wrap` refuses the same layer twice.
- `inside`: a set of layer names that must not stand inside of it.
- `at_handler(step, operation, backend)`: returns a step around the handler itself, inside of all layers.
- `on_open(operation, backend)`: returns a function that is called with each `Call` before any step.
- `on_wrap(info, layers)`: called with the backend and the whole stack, outermost first; it may refuse.
- `check_log(backend, log)`: called with the log of a workflow engine whose steps will pass; it may refuse.
- `bind(steps, backend)`: called for each map with what lies inside of it, operation name -> next step; returns the
  middleware that is asked instead, which may then call other operations of the same map.
"""
