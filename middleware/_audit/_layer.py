"""The audit layer: one outcome for every call, and an intent before every write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.errors import AuditError, WrapError
from storescope.middleware._audit._record import CallRecords
from storescope.middleware._log import telemetry_failed
from storescope.outcome import failure_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.call import BackendInfo, Call, ResidencyDecision, Step
    from storescope.contract import Operation
    from storescope.middleware._audit._log import AuditLog
    from storescope.middleware._audit._override import OnFailure
    from storescope.middleware._audit._record import Subject


class Audit:
    """The layer that `audit` makes.

    Attributes:
        log: Where the records go.
        region: Where the log is kept, for policies that rule on telemetry.
    """

    layer = "audit"

    def __init__(self, log: AuditLog, on_failure: OnFailure) -> None:
        self.log = log
        self.region = log.region
        self._on_failure = on_failure

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that records the next one."""
        records = CallRecords(operation, backend, self.log.circumstances)
        refuse = self._on_failure == "refuse" or (self._on_failure == "refuse_writes" and operation.writes)
        make = _write_step if operation.writes else _read_step
        return make(next_step, records, self.log, refuse=refuse)


def audit(log: AuditLog, *, on_failure: OnFailure = "refuse_writes") -> Audit:
    """Record every call in an audit log.

    A write leaves an `intent` before the backend is touched and an `outcome` after; a read leaves an `outcome`.

    Args:
        log: The open log.
        on_failure: What happens to a call that cannot be logged: `refuse` it, `refuse_writes` only, or `allow` it.
            The intent decides a write: if only its outcome cannot be logged, the result is returned all the same.

    Returns:
        A middleware. What it refuses ends in `AuditError`.

    Raises:
        WrapError: If `on_failure` is none of the three.
    """
    if on_failure not in {"refuse", "refuse_writes", "allow"}:
        raise WrapError(f"audit: on_failure must be refuse, refuse_writes or allow, not {on_failure!r}")
    return Audit(log, on_failure)


def _write_step(next_step: Step, records: CallRecords, log: AuditLog, *, refuse: bool) -> Step:
    finish = _finisher(records, log)

    async def step(call: Call) -> Any:
        subject, decision = records.subject(call, log.hasher), call.decision
        try:
            taken = log.put("intent", records.intent(call, subject), durable=_will_be_made(call))
            if taken is not None:
                await taken
        except AuditError as error:
            if refuse:
                await finish(call, subject, decision, error)
                raise
        except BaseException as error:  # cancelled while it waited for the disk
            await finish(call, subject, decision, error)
            raise
        try:
            result = await next_step(call)
        except BaseException as error:
            await finish(call, subject, decision, error)
            raise
        await finish(call, subject, decision, None)
        return result

    return step


def _read_step(next_step: Step, records: CallRecords, log: AuditLog, *, refuse: bool) -> Step:
    finish = _finisher(records, log)

    async def step(call: Call) -> Any:
        try:
            result = await next_step(call)
        except BaseException as error:
            await finish(call, records.subject(call, log.hasher), call.decision, error)
            raise
        try:
            subject = records.subject(call, log.hasher)
            taken = log.put("outcome", records.outcome(call, subject, None), durable=False)
            if taken is not None:
                await taken
        except AuditError:
            if refuse:
                raise
        return result

    return step


def _finisher(
    records: CallRecords, log: AuditLog
) -> Callable[[Call, Subject, ResidencyDecision | None, BaseException | None], Awaitable[None]]:
    """Return what records an outcome that can no longer change what the caller gets.

    It takes what was said of the call already, and by which decision: both are said anew if they changed since.
    """

    async def finish(
        call: Call, subject: Subject, decision: ResidencyDecision | None, error: BaseException | None
    ) -> None:
        failure = None if error is None else failure_of(call, error)
        if call.backend is not None or call.decision is not decision:  # a router chose, a label was wrong
            subject = records.subject(call, log.hasher)
        try:
            taken = log.put("outcome", records.outcome(call, subject, failure), durable=False)
            if taken is not None and not isinstance(error, GeneratorExit):  # who is being closed cannot wait
                await taken
        except AuditError as fault:  # the log has counted it
            telemetry_failed("audit", fault)

    return finish


def _will_be_made(call: Call) -> bool:
    """Return whether the write will reach the backend; what is refused or denied need not wait for the disk."""
    return call.refusal is None and (call.decision is None or call.decision.allowed)
