"""However a call ends, span, metric and audit log each say so exactly once, and say the same."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from storescope import (
    OPERATIONS,
    BackendError,
    InvalidRecordError,
    Middleware,
    RecordNotFoundError,
    ResidencyError,
    StorageTimeoutError,
    TenantRequiredError,
    call_context,
    wrap,
)
from storescope.middleware import timeout
from storescope.middleware._audit._writing._stream import Stream
from tests.middleware.helpers import Seen, memory_map, stack
from tests.policies import FORBIDDEN, REGION

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.middleware._audit._writing._options import Durability


def raising(error: BaseException) -> Any:
    async def handler(**_: Any) -> Any:
        raise error

    return handler


async def hang(**_: Any) -> None:
    await asyncio.sleep(60)


def assert_one_outcome(seen: Seen, operation: str, outcome: str, error_type: str | None = None) -> None:
    """Hold all three to one call of `operation` that ended in `outcome`."""
    (span,) = seen.spans
    attributes = span.attributes or {}
    assert (span.name, attributes["agent_storage.outcome"]) == (operation, outcome)
    assert attributes.get("error.type") == (None if outcome == "cancelled" else error_type)

    ((labels, count),) = seen.samples("agent_storage_operations_total")
    assert (labels["operation"], labels["outcome"], count) == (operation, outcome, 1)
    ((timed, observed),) = seen.samples("agent_storage_operation_duration_seconds_count")
    assert (timed["outcome"], observed) == (outcome, 1)
    assert seen.samples("agent_storage_operations_in_flight") == []
    errors = [labels["error_type"] for labels, _ in seen.samples("agent_storage_errors_total")]
    assert errors == ([] if outcome in {"ok", "cancelled"} else [error_type])

    (record,) = seen.of_phase("outcome")
    assert (record["operation"], record["outcome"], record["error_type"]) == (operation, outcome, error_type)
    intents = [intent["call_id"] for intent in seen.of_phase("intent")]
    assert intents == ([record["call_id"]] if OPERATIONS[operation].writes else [])


CALLS: dict[str, dict[str, Any]] = {
    "session.get": {"id": "s1"},
    "session.set": {"id": "s1", "value": {"a": 1}},
    "session.update": {"id": "s1", "updates": {"a": 1}},
    "message.listBySession": {"session_id": "s1"},
}


@pytest.mark.parametrize("operation", ["session.get", "session.set", "message.listBySession"])
async def test_success(operation: str, tmp_path: Path) -> None:
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=REGION):
        await seen.handlers[operation](**CALLS[operation])
        assert_one_outcome(seen, operation, "ok")


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("error", "outcome", "error_type"),
    [
        (ValueError("x"), "error", "ValueError"),
        (BackendError("x", driver_error="redis.TimeoutError"), "error", "redis.TimeoutError"),
        (TenantRequiredError("x"), "denied", "TenantRequiredError"),
        (TimeoutError("the handler's own"), "error", "TimeoutError"),
        (KeyboardInterrupt(), "error", "KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_what_a_handler_raises(
    operation: str, error: BaseException, outcome: str, error_type: str, tmp_path: Path
) -> None:
    with stack({operation: raising(error)}, tmp_path) as seen, call_context(tenant="acme", region=REGION):
        with pytest.raises(type(error)) as raised:
            await seen.handlers[operation](**CALLS[operation])
        assert raised.value is error
        assert_one_outcome(seen, operation, outcome, error_type)


async def test_a_missing_record(tmp_path: Path) -> None:
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=REGION):
        with pytest.raises(RecordNotFoundError):
            await seen.handlers["session.update"](id="s1", updates={})
        assert_one_outcome(seen, "session.update", "not_found", "RecordNotFoundError")
        assert seen.spans[0].status.is_unset


@pytest.mark.parametrize("operation", CALLS)
async def test_a_denial(operation: str, tmp_path: Path) -> None:
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=FORBIDDEN):
        with pytest.raises(ResidencyError):
            await seen.handlers[operation](**CALLS[operation])
        assert_one_outcome(seen, operation, "denied", "ResidencyError")


@pytest.mark.parametrize("operation", CALLS)
async def test_a_refused_input(operation: str, tmp_path: Path) -> None:
    wrong = {**CALLS[operation], next(iter(CALLS[operation])): ""}
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=REGION):
        with pytest.raises(InvalidRecordError):
            await seen.handlers[operation](**wrong)
        assert_one_outcome(seen, operation, "error", "InvalidRecordError")


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_a_time_out_of_ours_is_an_error(operation: str, where: str, tmp_path: Path) -> None:
    limit: Middleware = timeout(0.02)
    inside = [limit] if where == "inside" else []
    with stack({operation: hang}, tmp_path, *inside) as seen, call_context(tenant="acme", region=REGION):
        handlers = seen.handlers if inside else wrap(seen.handlers, limit)
        with pytest.raises(StorageTimeoutError):
            await handlers[operation](**CALLS[operation])
        assert_one_outcome(seen, operation, "error", "StorageTimeoutError")


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("limited", [False, True])
async def test_a_cancellation_by_the_caller(operation: str, limited: bool, tmp_path: Path) -> None:
    with stack({operation: hang}, tmp_path) as seen, call_context(tenant="acme", region=REGION):
        handlers = wrap(seen.handlers, timeout(60)) if limited else seen.handlers
        task = asyncio.create_task(handlers[operation](**CALLS[operation]))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_one_outcome(seen, operation, "cancelled", "CancelledError")


async def test_a_cancellation_while_waiting_for_the_audit_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "sync", lambda stream: time.sleep(1))
    with stack(memory_map(), tmp_path) as seen, call_context(tenant="acme", region=REGION):
        task = asyncio.create_task(seen.handlers["session.set"](id="s1", value={}))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_one_outcome(seen, "session.set", "cancelled", "CancelledError")


@pytest.mark.parametrize("durability", ["group", "each"])
async def test_a_coroutine_that_is_closed(durability: Durability, tmp_path: Path) -> None:
    """A loop that shuts down closes what is suspended; nobody can await in there any more."""
    with (
        stack({"session.get": hang}, tmp_path, durability=durability) as seen,
        call_context(tenant="acme", region=REGION),
    ):
        call = seen.handlers["session.get"](id="s1")
        call.send(None)
        call.close()
        seen.log.close()  # else its thread may not have written it yet
        assert_one_outcome(seen, "session.get", "cancelled", "GeneratorExit")
