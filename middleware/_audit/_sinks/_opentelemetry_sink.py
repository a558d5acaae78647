"""Audit records as OpenTelemetry log records."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import SeverityNumber, get_logger
from opentelemetry.context import get_current
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context

from storescope.errors import AuditError
from storescope.middleware._audit._sinks._fields import fields_of

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context

_LARGEST = 2**63 - 1  # that an attribute can hold
_SEVERITIES = {"denied": SeverityNumber.WARN, "error": SeverityNumber.ERROR}
_AS_IN_SPANS = {
    "attempt": "agent_storage.attempt",
    "tenant": "agent_storage.tenant",
    "caller_region": "agent_storage.caller.region",
    "backend": "agent_storage.backend.name",
    "backend_region": "agent_storage.backend.region",
    "outcome": "agent_storage.outcome",
    "error_type": "error.type",
    "decision": "agent_storage.residency.decision",
    "code": "agent_storage.residency.code",
    "rule": "agent_storage.residency.rule",
}
"""The attributes that spans have too. The rest are `agent_storage.audit.` and the field's name: ids as well, since
spans name sessions in a way of their own."""


class OpenTelemetrySink:
    """Hands each audit record to OpenTelemetry's logs, as the event `storescope.audit.intent` or `.outcome`.

    It carries the trace and span id of the call, a severity (`denied` warns, `error` is one, all else informs) and
    the record's fields as attributes, named as in spans where spans have them. What is null is left out.

    What the SDK's processor was handed counts as taken: a batch processor exports it later, and drops what its
    queue cannot hold. A provider that takes no logs at all is an `AuditError`.

    Args:
        logger_provider: Where the records go; the global provider if left out.
        region: Where they are kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.

    Attributes:
        region: Where they are kept.
    """

    def __init__(self, logger_provider: LoggerProvider | None = None, *, region: str | None = None) -> None:
        self.region = region
        self._logger = get_logger("storescope", logger_provider=logger_provider)

    def put(self, phase: str, text: str, *, durable: bool) -> None:
        """Hand one record over.

        Args:
            phase: `intent` or `outcome`.
            text: Its JSON from `phase` on.
            durable: Makes no difference: the SDK does not say what became of a record.

        Raises:
            AuditError: If a processor raised, or there is none.
        """
        del durable
        try:
            taken = self._emit(f"storescope.audit.{phase}", fields_of(text))
        except Exception as error:  # the text of it is not ours
            raise AuditError(f"the OpenTelemetry logger failed: {type(error).__qualname__}") from None
        if not taken:
            raise AuditError("OpenTelemetry takes no logs: set up a LoggerProvider with a processor")

    def _emit(self, event: str, fields: dict[str, Any]) -> bool:
        """Emit one event; return whether anything takes it."""
        context = _context_of(fields.get("trace_id"), fields.get("span_id"))
        severity = _SEVERITIES.get(fields.get("outcome", ""), SeverityNumber.INFO)
        if not self._logger.enabled(context=context, severity_number=severity, event_name=event):
            return False
        self._logger.emit(
            timestamp=time_ns(),
            context=context,
            severity_number=severity,
            severity_text=severity.name,
            attributes=_attributes(fields),
            event_name=event,
        )
        return True


def _context_of(trace_id: str | None, span_id: str | None) -> Context:
    """Return a context whose span is the call's; the one in force, if it is that, knows whether it is sampled."""
    span = get_current_span().get_span_context()
    if (
        trace_id is None
        or span_id is None
        or (span.trace_id, span.span_id) == (int(trace_id, 16), int(span_id, 16))
    ):
        return get_current()
    return set_span_in_context(NonRecordingSpan(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False)))


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    entity, _, verb = fields["operation"].partition(".")
    attributes = {"db.operation.name": verb, "db.collection.name": entity}
    for name, value in fields.items():
        if name not in {"phase", "operation", "trace_id", "span_id"}:
            too_large = isinstance(value, int) and value > _LARGEST  # an exporter would lose the whole batch
            attributes[_AS_IN_SPANS.get(name, f"agent_storage.audit.{name}")] = str(value) if too_large else value
    return attributes
