"""What the audit layer does in `none`, written by hand as a middleware of a user's own, without a log behind it.

The same bytes (every field, keyed hashes of ids, the MAC), handed to the operating system one record at a time,
and counted. It leaves out what a log is for beside that: gaps, seals, files and streams that follow one another.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry import trace

from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from storescope import BackendInfo, Call, Operation
    from storescope.call import Step

_STREAM = "20261122T233648Z-0123abcd"
_NO_DECISION = dict.fromkeys(("decision", "code", "rule", "exception", "policy"))


class InlinedAudit:
    """A middleware that appends records to a file."""

    def __init__(self, file: int) -> None:
        self.counts = {"intent": 0, "outcome": 0}
        self._file = file
        self._lock = Lock()
        self._mac, self._seq = bytes(32), 0
        self._second, self._second_text = -1, ""
        self._ids, self._chain = Hmac(os.urandom(32)), Hmac(os.urandom(32))

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that records the next one."""
        name, label, region, append = operation.name, backend.label, backend.region, self._append

        async def step(call: Call) -> Any:
            hashed = self._ids.digest((call.record_id or "").encode()).hex()[:32]
            subject = (name, label, region, hashed)
            if operation.writes:
                append("intent", call, subject, None, None, None)
            try:
                result = await next_step(call)
            except BaseException as error:
                duration = (time.perf_counter_ns() - call.opened_ns) // 1000
                append("outcome", call, subject, "error", type(error).__qualname__, duration)
                raise
            append("outcome", call, subject, "ok", None, (time.perf_counter_ns() - call.opened_ns) // 1000)
            return result

        return step

    def _append(  # noqa: PLR0913, PLR0917 (by hand, and as fast as it goes)
        self,
        phase: str,
        call: Call,
        subject: tuple[str, str, str | None, str],
        outcome: str | None,
        error_type: str | None,
        duration_us: int | None,
    ) -> None:
        name, label, region, hashed = subject
        context = call.context
        span = trace.get_current_span().get_span_context()
        trace_id, span_id = (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else (None, None)
        with self._lock:
            now, nanos = divmod(time.time_ns(), 1_000_000_000)
            if now != self._second:
                self._second = now
                self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._seq += 1
            record = {
                "seq": self._seq,
                "stream": _STREAM,
                "ts": f"{self._second_text}.{nanos // 1000:06d}Z",
                "phase": phase,
                "call_id": call.call_id,
                "attempt": call.attempt,
                "operation": name,
                "actor": context.actor,
                "tenant": context.tenant,
                "caller_region": context.region,
                "backend": label,
                "backend_region": region,
                "record": hashed,
                "session": hashed,
                "outcome": outcome,
                "error_type": error_type,
                "duration_us": duration_us,
                **_NO_DECISION,
                "trace_id": trace_id,
                "span_id": span_id,
            }
            body = orjson.dumps(record)[:-1]
            mac = self._chain.digest(self._mac + body)
            line = b'%b,"mac":"%b"}\n' % (body, mac.hex().encode())
            if os.write(self._file, line) != len(line):
                raise OSError("the line was not written whole")
            self._mac = mac
            self.counts[phase] += 1


@contextmanager
def inlined_audit(path: Path) -> Generator[InlinedAudit]:
    """Open a file for one, for a block."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        yield InlinedAudit(file)
    finally:
        os.close(file)
