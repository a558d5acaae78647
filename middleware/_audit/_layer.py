"""The audit layer: one outcome for every call, and an intent before every write."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from storescope.errors import AuditError, WrapError
from storescope.middleware._audit._ids import ids_of_key_file
from storescope.middleware._audit._record import CallRecords
from storescope.middleware._audit._sinks._together import Guarded, Together
from storescope.middleware._audit._unaudited import Unaudited
from storescope.middleware._audit._writing._log import AuditLog
from storescope.middleware._log import telemetry_failed
from storescope.outcome import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo, Call, ResidencyDecision, Step
    from storescope.contract import Operation
    from storescope.middleware._audit._ids import Ids
    from storescope.middleware._audit._record import Subject
    from storescope.middleware._audit._sinks._sink import AuditSink
    from storescope.middleware._audit._writing._override import OnFailure

Require = Literal["all", "any"]


class Audit:
    """The layer that `audit` makes.

    Attributes:
        sinks: Where the records go; each has a region of its own, for policies that rule on telemetry.
        logs: The file logs among them.
        unaudited: The calls that ended without a record of it.
    """

    layer = "audit"

    def __init__(self, sinks: tuple[AuditSink, ...], ids: Ids, on_failure: OnFailure, require: Require) -> None:
        self.sinks = sinks
        self.unaudited = Unaudited()
        self.logs = [sink for sink in sinks if isinstance(sink, AuditLog)]
        held = [sink if isinstance(sink, AuditLog) else Guarded(sink) for sink in sinks]
        self._sink: AuditSink = held[0] if len(held) == 1 else Together(held, all_must=require == "all")
        self._ids = ids
        self._on_failure: OnFailure = on_failure

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that records the next one."""
        records = CallRecords(operation, backend, self._ids)
        kit = _Kit(records, self._sink, self.unaudited.counter(operation, backend))
        make = _write_step if operation.writes else _read_step
        return make(next_step, kit, partial(self._refuses, operation))

    def _refuses(self, operation: Operation) -> bool:
        """Return whether a call that cannot be logged is refused now, by the stack's word or an operator's."""
        on_failure: OnFailure = self._on_failure
        for log in self.logs:
            on_failure = log.answer(on_failure)
        return on_failure == "refuse" or (on_failure == "refuse_writes" and operation.writes)


def audit(
    *sinks: AuditSink,
    on_failure: OnFailure = "refuse_writes",
    require: Require = "all",
    id_key: str | Path | None = None,
) -> Audit:
    """Record every call in an audit log.

    A write leaves an `intent` before the backend is touched and an `outcome` after; a read leaves an `outcome`.

    Args:
        *sinks: Where the records go: an open `AuditLog`, a `StructlogSink`, an `OpenTelemetrySink`, your own
            `AuditSink`. Each is given every record. A call waits for all of them at once, for each as long as it
            takes but no longer than its time-out.
        on_failure: What happens to a call that cannot be logged: `refuse` it, `refuse_writes` only, or `allow` it.
            The intent decides a write: if only its outcome cannot be logged, the result is returned all the same.
        require: Which of several sinks must have taken a record for the call to count as logged: `all` or `any`.
        id_key: A file that holds the key which ids of records and sessions are hashed with; made on first use. It
            is needed where no `AuditLog` is among the sinks. Else ids stand in all of them as in the first log.

    Returns:
        A middleware. What it refuses ends in `AuditError`.

    Raises:
        WrapError: If a word is none of those above, there is no sink, one is none or is given twice, or `id_key`
            is missing or in vain.
        AuditError: If the file of `id_key` can be neither read nor made.
    """
    if on_failure not in {"refuse", "refuse_writes", "allow"}:
        raise WrapError(f"audit: on_failure must be refuse, refuse_writes or allow, not {on_failure!r}")
    if require not in {"all", "any"}:
        raise WrapError(f"audit: require must be all or any, not {require!r}")
    _check_sinks(sinks)
    return Audit(sinks, _ids_of(sinks, id_key), on_failure, require)


def _check_sinks(sinks: tuple[AuditSink, ...]) -> None:
    if not sinks:
        raise WrapError(
            "audit: give it what takes the records: an AuditLog, a StructlogSink, an OpenTelemetrySink"
        )
    for position, sink in enumerate(sinks):
        if isinstance(sink, type) or not callable(getattr(sink, "put", None)):
            what = f"the class {sink.__name__}" if isinstance(sink, type) else f"a {type(sink).__name__}"
            raise WrapError(f"audit: {what} is no sink; give it objects with a method put, as AuditSink has")
        if any(sink is other for other in sinks[:position]):
            raise WrapError(
                f"audit: the same {type(sink).__name__} is given twice; it would record every call twice"
            )


def _ids_of(sinks: tuple[AuditSink, ...], id_key: str | Path | None) -> Ids:
    """Return what ids are hashed with, the same in all sinks."""
    log = next((sink for sink in sinks if isinstance(sink, AuditLog)), None)
    if log is not None:
        if id_key is not None:
            raise WrapError("audit: ids are hashed with the key in the AuditLog's folder; leave id_key out")
        return log.ids
    if id_key is None:
        raise WrapError(
            "audit: without an AuditLog there is no key to hash ids with; pass id_key=PATH, a file for one, which "
            "is made on first use"
        )
    return ids_of_key_file(Path(id_key))


class _Kit(NamedTuple):
    """What the steps of one operation record with.

    Attributes:
        records: Makes the records.
        sink: Takes the records.
        lost: Counts a call of which the end could not be recorded.
    """

    records: CallRecords
    sink: AuditSink
    lost: Callable[[Call], None]


def _write_step(next_step: Step, kit: _Kit, refuses: Callable[[], bool]) -> Step:
    records, sink, _ = kit
    finish = _finisher(kit)

    async def step(call: Call) -> Any:
        subject, decision = records.subject(call), call.decision
        waits = True
        try:
            taken = sink.put("intent", records.intent(call, subject), durable=_will_be_made(call))
            if taken is not None:
                await taken
        except AuditError as error:
            waits = False  # it has waited once: twice would be more than the log's time-out
            if refuses():
                await finish(call, subject, decision, error, waits=waits)
                raise
        except BaseException as error:  # cancelled while it waited for the disk
            await finish(call, subject, decision, error, waits=waits)
            raise
        try:
            result = await next_step(call)
        except BaseException as error:
            await finish(call, subject, decision, error, waits=waits)
            raise
        await finish(call, subject, decision, None, waits=waits)
        return result

    return step


def _read_step(next_step: Step, kit: _Kit, refuses: Callable[[], bool]) -> Step:
    records, sink, lost = kit
    finish = _finisher(kit)

    async def step(call: Call) -> Any:
        try:
            result = await next_step(call)
        except BaseException as error:
            await finish(call, records.subject(call), call.decision, error, waits=True)
            raise
        try:
            subject = records.subject(call)
            taken = sink.put("outcome", records.outcome(call, subject, None), durable=False)
            if taken is not None:
                await taken
        except AuditError:
            lost(call)
            if refuses():
                raise
        return result

    return step


class _Finish(Protocol):
    """Records an outcome that can no longer change what the caller gets.

    It takes what was said of the call already, and by which decision: both are said anew if they changed since.
    """

    async def __call__(
        self,
        call: Call,
        subject: Subject,
        decision: ResidencyDecision | None,
        error: BaseException | None,
        *,
        waits: bool,
    ) -> None: ...


def _finisher(kit: _Kit) -> _Finish:
    records, sink, lost = kit

    async def finish(
        call: Call,
        subject: Subject,
        decision: ResidencyDecision | None,
        error: BaseException | None,
        *,
        waits: bool,
    ) -> None:
        failure = None if error is None else failure_of(call, error)
        if call.backend is not None or call.decision is not decision:  # a router chose, a label was wrong
            subject = records.subject(call)
        try:
            taken = sink.put("outcome", records.outcome(call, subject, failure), durable=False)
            if taken is not None and waits and not isinstance(error, GeneratorExit):  # who is closed cannot wait
                await taken
        except AuditError as fault:  # it is counted or logged by whom it befell
            lost(call)
            telemetry_failed("audit", fault)

    return finish


def _will_be_made(call: Call) -> bool:
    """Return whether the write will reach the backend; what is refused or denied need not wait for the disk."""
    return call.refusal is None and (call.decision is None or call.decision.allowed)
