"""Audit records as lines of a structlog logger."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from storescope import AuditError, CallContext, Store, WrapError, wrap
from storescope.middleware import StructlogSink, audit
from tests.audit.logs import BACKEND, HANDLERS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from storescope import Handlers
    from storescope.middleware import AuditSink


def logged(*processors: Any, **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return a logger, and where its lines end up."""
    lines: list[dict[str, Any]] = []

    def keep(_: Any, method: str, event: Any) -> Any:
        lines.append({**event, "method": method})
        raise structlog.DropEvent

    return structlog.wrap_logger(None, processors=[*processors, keep], **options), lines


def stack(sink: AuditSink, folder: Path) -> Handlers:
    return wrap(HANDLERS, audit(sink, id_key=folder / "id.key"), backend=BACKEND)


@pytest.fixture
def configured() -> Generator[io.StringIO]:
    """An application that configured structlog; what it prints."""
    printed = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(printed),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    yield printed
    structlog.reset_defaults()


async def test_a_record_is_one_line_with_its_fields_as_keys(tmp_path: Path) -> None:
    logger, lines = logged()
    handlers = stack(StructlogSink(logger), tmp_path)
    store = Store("session.set", {"id": "s1", "value": {}}, CallContext(tenant="acme", actor="Ann", call_id="c1"))
    await store.on(handlers)
    intent, outcome = lines
    assert list(intent) == [
        *("phase", "call_id", "attempt", "operation", "actor", "tenant", "backend", "backend_region"),
        *("record", "session", "event", "method"),
    ]
    assert (intent["event"], intent["method"], intent["phase"]) == ("storescope.audit", "info", "intent")
    assert (intent["call_id"], intent["tenant"], intent["attempt"]) == ("c1", "acme", 1)
    assert (outcome["phase"], outcome["outcome"]) == ("outcome", "ok")
    assert isinstance(outcome["duration_us"], int)


async def test_the_applications_logger_is_found_whenever_it_was_configured(
    tmp_path: Path, configured: io.StringIO
) -> None:
    await stack(StructlogSink(), tmp_path)["session.get"](id="s1")
    line = json.loads(configured.getvalue())
    assert (line["event"], line["operation"]) == ("storescope.audit", "session.get")


async def test_without_a_configuration_it_is_the_standard_librarys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await stack(StructlogSink(), tmp_path)["session.get"](id="s1")
    (record,) = caplog.records
    assert (record.name, json.loads(record.getMessage())["operation"]) == ("storescope", "session.get")


async def test_a_level_that_is_not_let_through_takes_no_record(tmp_path: Path, configured: io.StringIO) -> None:
    """Else every call would pass as logged, and nothing would ever be seen of it."""
    for sink in (StructlogSink(level="debug"), StructlogSink(structlog.get_logger("own"), level="debug")):
        with pytest.raises(AuditError, match="lets no line of level debug through"):
            await stack(sink, tmp_path)["session.set"](id="s1", value={})
    assert '"event": "storescope.audit"' not in configured.getvalue()


async def test_the_standard_librarys_level_counts_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(AuditError, match="no line of level info"):
        await stack(StructlogSink(), tmp_path)["session.set"](id="s1", value={})
    with caplog.at_level(logging.WARNING):
        await stack(StructlogSink(level="error"), tmp_path)["session.set"](id="s1", value={})
    assert [record.levelname for record in caplog.records if "storescope.audit" in record.message] == ["ERROR"] * 2


async def test_what_cannot_be_encoded_is_spelled_out(tmp_path: Path) -> None:
    """A logger that prints UTF-8 would raise, and the call would be refused for what its caller is named."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    logger = structlog.wrap_logger(structlog.PrintLogger(printed), processors=[structlog.dev.ConsoleRenderer()])
    store = Store("session.set", {"id": "s1", "value": {}}, CallContext(actor="\ud800é"))
    await store.on(stack(StructlogSink(logger), tmp_path))
    printed.seek(0)
    assert printed.read().count("\\ud800é") == 2


async def test_a_logger_that_raises_is_an_audit_error_without_its_text(tmp_path: Path) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(28, "canary")

    logger, _ = logged(fail)
    with pytest.raises(AuditError, match=r"^the structlog logger failed: OSError$") as raised:
        await stack(StructlogSink(logger), tmp_path)["session.set"](id="s1", value={})
    assert raised.value.__cause__ is None


def test_an_unknown_level_is_refused() -> None:
    wrong: Any = "loud"
    with pytest.raises(WrapError, match="debug, info, warning, error, critical, not 'loud'"):
        StructlogSink(level=wrong)
