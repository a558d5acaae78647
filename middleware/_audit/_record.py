"""The bytes of a record. What never changes is written into templates once; a call only fills the rest in.

All text is ASCII: what is not is escaped as JSON allows. The line ends in `,"mac":"<64 hex digits>"}`; the MAC is
over the previous MAC and all bytes of the line before that.
"""

from __future__ import annotations

from time import gmtime, perf_counter_ns, strftime, time_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.middleware._audit._json import to_json
from storescope.middleware._trace_ids import trace_ids

if TYPE_CHECKING:
    from storescope.call import BackendInfo, Call, ResidencyDecision
    from storescope.context import CallContext
    from storescope.contract import Operation
    from storescope.middleware._audit._ids import IdHasher
    from storescope.outcome import Failure

FORMAT = "storescope-audit/1"
CALL_FIELDS = (
    *("call_id", "attempt", "operation", "actor", "tenant", "caller_region", "backend", "backend_region"),
    *("record", "session", "outcome", "error_type", "duration_us"),
    *("decision", "code", "rule", "exception", "policy", "trace_id", "span_id"),
)
"""The fields of a record that speak of a call; null where there is nothing to say."""
FIELDS = ("seq", "stream", "ts", "phase", *CALL_FIELDS)
"""The fields that every record has, in this order; some phases add their own behind them; `mac` is last."""

MAC_TAIL_BYTES = len(',"mac":""}') + 64
_MOST_REMEMBERED = 16_384
_SECOND = 1_000_000_000  # in nanoseconds


_NO_CALL = "".join(f'"{name}":null,' for name in CALL_FIELDS)[:-1]
_NO_DECISION = '"decision":null,"code":null,"rule":null,"exception":null,"policy":null,'
_NO_TRACE = '"trace_id":null,"span_id":null'
_NO_OUTCOME = '"outcome":null,"error_type":null,"duration_us":null,'


def own_record(phase: str, fields: dict[str, Any]) -> str:
    """Return the text, from `phase` on, of a record that speaks of the log itself."""
    own = to_json(fields)[1:-1]
    return f'"phase":"{phase}",{_NO_CALL},{own}'


class Clock:
    """Formats the time; the seconds' part is formatted once a second."""

    __slots__ = ("_begin", "_end", "_text")

    def __init__(self) -> None:
        self._begin = self._end = 0
        self._text = ""

    def stamp(self) -> str:
        """Return now, in UTC, to the microsecond: `2026-11-22T23:36:48.123456Z`."""
        now = time_ns()
        if not self._begin <= now < self._end:
            second = now // _SECOND
            self._begin, self._end = second * _SECOND, (second + 1) * _SECOND
            self._text = strftime("%Y-%m-%dT%H:%M:%S.", gmtime(second))
        return f"{self._text}{(now - self._begin) // 1000:06d}Z"


class Circumstances:
    """The JSON of who calls, and of what was decided: both recur, so both are made once.

    They are forgotten together when there are too many.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], tuple[str, str]] = {}

    def of(self, call: Call) -> tuple[str, str]:
        """Return the caller's fields and the decision's fields of a call's records."""
        context, decision = call.context, call.decision
        key = (context.actor, context.tenant, context.region, decision)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MOST_REMEMBERED:
                self._made.clear()
            made = self._made[key] = (_caller(context, decision), _decided(decision))
        return made


def _caller(context: CallContext, decision: ResidencyDecision | None) -> str:
    region = context.region or (None if decision is None else decision.caller_region)
    return _fields({"actor": context.actor, "tenant": context.tenant, "caller_region": region})


def _decided(decision: ResidencyDecision | None) -> str:
    if decision is None:
        return _NO_DECISION
    return _fields(
        {
            "decision": decision.effect,
            "code": decision.code,
            "rule": decision.rule,
            "exception": decision.exception,
            "policy": decision.policy,
        }
    )


def _fields(fields: dict[str, str | None]) -> str:
    return to_json(fields)[1:-1] + ","


Subject: TypeAlias = "tuple[str, str]"
"""What the records of one call share: who calls what and which record it is about; what was decided."""


class CallRecords:
    """Makes the records of one operation on one backend."""

    def __init__(self, operation: Operation, backend: BackendInfo, circumstances: Circumstances) -> None:
        self._operation = f'"operation":"{operation.name}",'
        self._own = _backend(backend)
        self._members = {member: _backend(member) for member in backend.members}
        self._circumstances = circumstances.of

    def subject(self, call: Call, hasher: IdHasher) -> Subject:
        """Return what a call's records share."""
        call_id = call.call_id
        if call.context.call_id is not None:  # an envelope may carry anything
            call_id = to_json(call_id)[1:-1]
        caller, decided = self._circumstances(call)
        chosen = call.backend
        backend = self._own if chosen is None else self._members.get(chosen) or _backend(chosen)
        record, session = hasher.of(call.record_id, call.session_id)
        return (
            f'"call_id":"{call_id}","attempt":{call.attempt},{self._operation}{caller}{backend}'
            f'"record":{record},"session":{session},'
        ), decided

    def intent(self, call: Call, subject: Subject) -> str:
        """Return the record of a write that is about to be made."""
        what, why = subject
        ids = call.trace or trace_ids(call)
        trace = _NO_TRACE if ids is None else f'"trace_id":"{ids[0]}","span_id":"{ids[1]}"'
        return f'"phase":"intent",{what}{_NO_OUTCOME}{why}{trace}'

    def outcome(self, call: Call, subject: Subject, failure: Failure | None) -> str:
        """Return the record of how a call ended, now."""
        what, why = subject
        ids = call.trace or trace_ids(call)
        trace = _NO_TRACE if ids is None else f'"trace_id":"{ids[0]}","span_id":"{ids[1]}"'
        duration_us = (perf_counter_ns() - call.opened_ns) // 1000
        if failure is None:
            ended = f'"outcome":"ok","error_type":null,"duration_us":{duration_us},'
        else:
            error_type = to_json(failure.error_type)
            ended = f'"outcome":"{failure.outcome}","error_type":{error_type},"duration_us":{duration_us},'
        return f'"phase":"outcome",{what}{ended}{why}{trace}'


def _backend(backend: BackendInfo) -> str:
    return f'"backend":{to_json(backend.label)},"backend_region":{to_json(backend.region)},'
