"""The audit layer: one outcome for every call, and an intent before every write."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal

from storescope.errors import AuditError, WrapError
from storescope.middleware._audit._record import CallRecords
from storescope.middleware._log import telemetry_failed
from storescope.middleware._trace_ids import trace_ids
from storescope.outcome import failure_of

if TYPE_CHECKING:
    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation
    from storescope.middleware._audit._log import AuditLog
    from storescope.outcome import Failure

OnFailure = Literal["refuse", "refuse_writes", "allow"]


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
        records = _Recorder(self.log, CallRecords(operation, backend, self.log.remembered))
        refuse = self._on_failure == "refuse" or (self._on_failure == "refuse_writes" and operation.writes)
        return (
            _write_step(next_step, records, refuse=refuse)
            if operation.writes
            else _read_step(next_step, records, refuse=refuse)
        )


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


class _Recorder:
    """Writes the records of one operation."""

    def __init__(self, log: AuditLog, records: CallRecords) -> None:
        self._log = log
        self._records = records
        self._each = log.durability == "each"

    def subject(self, call: Call) -> tuple[str, str]:
        """Return the text that a call's records share."""
        return self._records.subject(call, self._log.hasher)

    async def intent(self, call: Call, subject: tuple[str, str]) -> None:
        """Record that a write is about to be made, and wait for the disk unless it will be refused anyway."""
        position = self._log.append("intent", self._records.intent(call, subject, trace_ids(call)))
        decision = call.decision
        if call.refusal is None and (decision is None or decision.allowed):
            await self._log.wait(position)

    async def outcome(self, call: Call, subject: tuple[str, str], failure: Failure | None) -> None:
        """Record how a call ended."""
        duration_us = (perf_counter_ns() - call.opened_ns) // 1000
        text = self._records.outcome(call, subject, trace_ids(call), failure, duration_us)
        position = self._log.append("outcome", text)
        if self._each:
            await self._log.wait(position)


def _write_step(next_step: Step, records: _Recorder, *, refuse: bool) -> Step:
    async def step(call: Call) -> Any:
        subject = records.subject(call)
        try:
            await records.intent(call, subject)
        except AuditError as error:
            if refuse:
                await _try_outcome(records, call, subject, error)
                raise
        except BaseException as error:  # cancelled while it waited for the disk
            await _try_outcome(records, call, subject, error)
            raise
        try:
            result = await next_step(call)
        except BaseException as error:
            await _try_outcome(records, call, subject, error)
            raise
        await _try_outcome(records, call, subject, None)
        return result

    return step


def _read_step(next_step: Step, records: _Recorder, *, refuse: bool) -> Step:
    async def step(call: Call) -> Any:
        subject = records.subject(call)
        try:
            result = await next_step(call)
        except BaseException as error:
            await _try_outcome(records, call, subject, error)
            raise
        try:
            await records.outcome(call, subject, None)
        except AuditError:
            if refuse:
                raise
        return result

    return step


async def _try_outcome(
    records: _Recorder, call: Call, subject: tuple[str, str], error: BaseException | None
) -> None:
    """Record an outcome that can no longer change what the caller gets; the log counts it if that fails."""
    try:
        await records.outcome(call, subject, None if error is None else failure_of(call, error))
    except AuditError as fault:
        telemetry_failed("audit", fault)
