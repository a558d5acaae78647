"""The bytes of a record. What never changes is written into templates once; a call only fills the rest in.

All text is ASCII: what is not is escaped as JSON allows. The line ends in `,"mac":"<64 hex digits>"}`; the MAC is
over the previous MAC and all bytes of the line before that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from storescope.middleware._audit._json import to_json

if TYPE_CHECKING:
    from storescope.call import BackendInfo, Call, ResidencyDecision, TraceIds
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
_MOST_REMEMBERED = 4_096


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

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def stamp(self) -> str:
        """Return now, in UTC, to the microsecond: `2026-11-22T23:36:48.123456Z`."""
        second, nanos = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{nanos // 1000:06d}Z"


class Remembered:
    """The JSON of contexts and decisions, which recur; forgotten together when they grow too many."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str | None, str | None, str | None], str] = {}
        self._decisions: dict[tuple[str | None, ...], str] = {}

    def context(self, call: Call) -> str:
        context, decision = call.context, call.decision
        region = context.region or (None if decision is None else decision.caller_region)
        key = (context.actor, context.tenant, region)
        text = self._contexts.get(key)
        if text is None:
            actor, tenant, caller = map(to_json, key)
            text = f'"actor":{actor},"tenant":{tenant},"caller_region":{caller},'
            _remember(self._contexts, key, text)
        return text

    def decision(self, decision: ResidencyDecision | None) -> str:
        if decision is None:
            return _NO_DECISION
        key = (decision.effect, decision.code, decision.rule, decision.exception, decision.policy)
        text = self._decisions.get(key)
        if text is None:
            fields = {
                "decision": decision.effect,
                "code": decision.code,
                "rule": decision.rule,
                "exception": decision.exception,
                "policy": decision.policy,
            }
            text = to_json(fields)[1:-1] + ","
            _remember(self._decisions, key, text)
        return text


def _remember(memory: dict[Any, str], key: Any, text: str) -> None:
    if len(memory) >= _MOST_REMEMBERED:
        memory.clear()
    memory[key] = text


class CallRecords:
    """Makes the records of one operation on one backend."""

    def __init__(self, operation: Operation, backend: BackendInfo, remembered: Remembered) -> None:
        self._operation = f'"operation":"{operation.name}",'
        self._own = _backend(backend)
        self._members = {member: _backend(member) for member in backend.members}
        self._remembered = remembered

    def subject(self, call: Call, hasher: IdHasher) -> tuple[str, str]:
        """Return what intent and outcome share: who calls what, and which record it is about."""
        call_id = call.call_id
        if not (call_id.isascii() and call_id.isalnum()):  # an envelope may carry anything
            call_id = to_json(call_id)[1:-1]
        who = f'"call_id":"{call_id}","attempt":{call.attempt},{self._operation}{self._remembered.context(call)}'
        record, session = hasher.of(call.record_id, call.session_id)
        return who, f'"record":{record},"session":{session},'

    def intent(self, call: Call, subject: tuple[str, str], ids: TraceIds | None) -> str:
        """Return the record of a write that is about to be made."""
        who, what = subject
        return (
            f'"phase":"intent",{who}{self._backend(call)}{what}{_NO_OUTCOME}'
            f"{self._remembered.decision(call.decision)}{_trace(ids)}"
        )

    def outcome(
        self,
        call: Call,
        subject: tuple[str, str],
        ids: TraceIds | None,
        failure: Failure | None,
        duration_us: int,
    ) -> str:
        """Return the record of how a call ended."""
        who, what = subject
        if failure is None:
            ended = '"outcome":"ok","error_type":null'
        else:
            ended = f'"outcome":"{failure.outcome}","error_type":{to_json(failure.error_type)}'
        return (
            f'"phase":"outcome",{who}{self._backend(call)}{what}{ended},"duration_us":{duration_us},'
            f"{self._remembered.decision(call.decision)}{_trace(ids)}"
        )

    def _backend(self, call: Call) -> str:
        chosen = call.backend
        return self._own if chosen is None else self._members.get(chosen) or _backend(chosen)


def _backend(backend: BackendInfo) -> str:
    return f'"backend":{to_json(backend.label)},"backend_region":{to_json(backend.region)},'


def _trace(ids: TraceIds | None) -> str:
    return _NO_TRACE if ids is None else f'"trace_id":"{ids.trace_id}","span_id":"{ids.span_id}"'
