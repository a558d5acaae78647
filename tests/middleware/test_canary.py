"""What an agent stores never reaches a span, a metric, a log line, an audit record or an error text."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from storescope import OPERATIONS, BackendError, StorageError, Store, call_context, wrap
from storescope.middleware import OpenTelemetrySink, StructlogSink, timeout
from tests.middleware.helpers import Seen, memory_map, stack
from tests.policies import FORBIDDEN, REGION

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Handlers
    from storescope.middleware import AuditSink


@pytest.fixture
def exported() -> InMemoryLogRecordExporter:
    """What OpenTelemetry's logs are given."""
    return InMemoryLogRecordExporter()  # type: ignore[no-untyped-call] # the SDK's own


@pytest.fixture
def sinks(exported: InMemoryLogRecordExporter) -> list[AuditSink]:
    """Every other place that audit records go to; the lines of structlog are among `lines`."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exported))
    return [StructlogSink(), OpenTelemetrySink(provider)]


def told(seen: Seen, exported: InMemoryLogRecordExporter) -> str:
    """Return everything that the stack told anybody."""
    spans = [span.to_json() for span in seen.spans]
    audit = [path.read_text() for path in seen.log.folder.glob("*.jsonl")]
    logs = [record.to_json() for record in exported.get_finished_logs()]
    assert len(logs) == len(seen.of_phase("intent")) + len(seen.of_phase("outcome"))
    return "\n".join([*spans, *audit, *logs, seen.exposition])


def parameters(operation: str, secret: str) -> dict[str, Any]:
    record = {"sessionId": "s1", "text": secret, secret: [secret], "nested": {"deep": secret}}
    shapes: dict[str, dict[str, Any]] = {
        "get": {"id": "r1"},
        "set": {"id": "r1", "value": record},
        "update": {"id": "r1", "updates": record},
        "listBySession": {"session_id": "s1"},
    }
    return shapes[OPERATIONS[operation].verb]


async def attempt(handlers: Handlers, operation: str, params: dict[str, Any]) -> str:
    """Make a call as an agent does; return the text of storescope's own error."""
    try:
        await Store(operation, params).on(handlers)
    except StorageError as error:
        return f"{error} {error!r}"
    except Exception:  # the handler's own, which passes through with whatever text it has
        return ""
    return ""


async def test_good_calls_tell_nothing(
    secret: str, tmp_path: Path, lines: list[str], sinks: list[AuditSink], exported: InMemoryLogRecordExporter
) -> None:
    with stack(memory_map(), tmp_path, sinks=sinks) as seen, call_context(tenant="acme", region=REGION):
        for operation in [*OPERATIONS, *OPERATIONS]:  # the second time round there is something to find
            assert secret not in await attempt(seen.handlers, operation, parameters(operation, secret))
    assert len(seen.spans) == 2 * len(OPERATIONS)
    assert secret not in told(seen, exported)
    assert secret not in "".join(lines)


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, BackendError, asyncio.CancelledError])
async def test_exceptions_tell_nothing(
    kind: type[BaseException],
    secret: str,
    tmp_path: Path,
    lines: list[str],
    sinks: list[AuditSink],
    exported: InMemoryLogRecordExporter,
) -> None:
    async def fail(**_: Any) -> None:
        error = kind(f"driver says: {secret}")
        error.add_note(secret)
        raise error from ValueError(secret)

    handlers = dict.fromkeys(OPERATIONS, fail)
    with stack(handlers, tmp_path, sinks=sinks) as seen, call_context(tenant="acme", region=REGION):
        for operation in OPERATIONS:
            with suppress(BaseException):
                await Store(operation, parameters(operation, secret)).on(seen.handlers)
    assert len(seen.of_phase("outcome")) == len(OPERATIONS)
    assert secret not in told(seen, exported)
    assert secret not in "".join(lines)


async def test_refusals_tell_nothing(
    secret: str, tmp_path: Path, lines: list[str], sinks: list[AuditSink], exported: InMemoryLogRecordExporter
) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("session.get", {"id": [secret]}),
        ("session.set", {"id": "r1", "value": secret}),
        ("session.set", {"id": "r1", "value": {"id": secret}}),
        ("message.set", {"id": "r1", "value": {"sessionId": [secret], "text": secret}}),
        ("message.update", {"id": "r1", "updates": {"sessionId": {secret: 1}}}),
        ("message.listBySession", {"session_id": {secret}}),
    ]
    with stack(memory_map(), tmp_path, sinks=sinks) as seen, call_context(tenant="acme", region=REGION):
        for operation, params in wrong:
            text = await attempt(seen.handlers, operation, params)
            assert "InvalidRecordError" in text
            assert secret not in text
    assert secret not in told(seen, exported)
    assert secret not in "".join(lines)


async def test_denials_and_time_outs_tell_nothing(
    secret: str, tmp_path: Path, lines: list[str], sinks: list[AuditSink], exported: InMemoryLogRecordExporter
) -> None:
    async def hang(**_: Any) -> None:
        await asyncio.sleep(60)

    with stack(dict.fromkeys(OPERATIONS, hang), tmp_path, timeout(0.01), sinks=sinks) as seen:
        for region in (REGION, FORBIDDEN):
            with call_context(tenant="acme", region=region):
                for operation in ("session.set", "message.update", "part.listBySession"):
                    text = await attempt(seen.handlers, operation, parameters(operation, secret))
                    assert "Error" in text
                    assert secret not in text
    assert secret not in told(seen, exported)
    assert secret not in "".join(lines)


async def test_ids_are_hashed_in_the_audit_log(secret: str, tmp_path: Path) -> None:
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=REGION):
        await seen.handlers["session.set"](id=secret, value={})
        await seen.handlers["message.set"](id=secret, value={"sessionId": secret})
        await seen.handlers["message.listBySession"](session_id=secret)
    assert secret not in "".join(path.read_text() for path in seen.log.folder.glob("*.jsonl"))
    assert secret not in seen.exposition


async def test_unwrapped_maps_tell_nothing_either(secret: str) -> None:
    text = await attempt(wrap({}), "session.set", {"id": secret, "value": {secret: secret}})
    assert "UnsupportedOperationError" in text
    assert secret not in text
    assert secret not in repr(Store("session.set", {"id": secret, "value": {secret: secret}}))
