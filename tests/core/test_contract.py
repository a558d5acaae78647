"""The contract's table, the errors, and what an exception means to an observer."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import storescope
from storescope import (
    OPERATIONS,
    BackendError,
    Call,
    CallContext,
    RecordNotFoundError,
    ResidencyError,
    Store,
    errors,
    wrap,
)
from storescope._extras import require_extra
from storescope.errors import MissingExtraError, StorageError, StorageTimeoutError
from storescope.middleware import Decision
from storescope.middleware._region._decision import Fact
from storescope.outcome import OUTCOMES, failure_of

if TYPE_CHECKING:
    from storescope import Operation

DECISION = Decision(
    allowed=False,
    effect="deny",
    code="tenant_missing",
    rule=None,
    policy="d" * 64,
    facts={"backend_region": Fact(None, "backend")},
)


def test_the_fifteen_operations() -> None:
    assert list(OPERATIONS) == [
        *("session.get", "session.set", "session.update"),
        *("message.get", "message.set", "message.update", "message.listBySession"),
        *("part.get", "part.set", "part.listBySession"),
        *("sandbox.get", "sandbox.set", "sandbox.update"),
        *("setup.get", "setup.set"),
    ]
    for name, operation in OPERATIONS.items():
        assert operation.name == name == f"{operation.entity}.{operation.verb}"
        assert operation.writes == (operation.verb in {"set", "update"})
        assert pickle.loads(pickle.dumps(operation)) is operation


PARAMS = {
    "get": ("id",),
    "set": ("id", "value"),
    "update": ("id", "updates"),
    "listBySession": ("session_id",),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
async def test_an_operation_takes_exactly_the_contracts_arguments(operation: Operation) -> None:
    assert operation.params == PARAMS[operation.verb]

    async def handler(**_: Any) -> None:
        pytest.fail("the handler was called")

    complete: dict[str, Any] = dict.fromkeys(operation.params, "x")
    for params in ({}, {**complete, "limit": 1}):
        with pytest.raises(errors.InvalidRecordError, match="takes the parameters"):
            Store(operation.name, params)
        with pytest.raises(TypeError):
            await wrap({operation.name: handler})[operation.name](**params)


def test_the_table_cannot_be_changed() -> None:
    table: Any = OPERATIONS
    with pytest.raises(TypeError):
        table["session.delete"] = OPERATIONS["session.get"]
    changed: Any = OPERATIONS["session.get"]
    with pytest.raises(AttributeError):
        changed.writes = True


MADE: list[StorageError] = [
    StorageError("x"),
    RecordNotFoundError("session", "secret-id"),
    errors.InvalidRecordError("x"),
    errors.RecordTooLargeError("x"),
    errors.VersionConflictError("x"),
    errors.IndexConflictError("by_name"),
    errors.UnsupportedOperationError("x"),
    errors.WrapError("x"),
    errors.TenantRequiredError("x"),
    ResidencyError("x", DECISION),
    errors.PolicyError("x"),
    errors.AuditError("x"),
    StorageTimeoutError("session.get", 2.5),
    BackendError("x", driver_error="redis.TimeoutError", retryable=True, maybe_applied=True),
    MissingExtraError("x"),
]


def test_every_error_of_the_tree_is_tried_here() -> None:
    tree = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, StorageError)}
    assert {type(error) for error in MADE} == tree
    assert {cls.__name__ for cls in tree} <= set(storescope.__all__)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_names_nobody(error: StorageError) -> None:
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert copied.args == error.args
    assert str(copied) == str(error)
    assert getattr(copied, "msg", None) == getattr(error, "msg", None)
    assert copied.retryable == error.retryable
    assert copied.maybe_applied == error.maybe_applied
    assert copied.__dict__.keys() == error.__dict__.keys()
    assert "secret" not in str(copied)


def test_a_users_subclass_and_notes_survive_pickling() -> None:
    error = OwnStorageError("session", code=7)
    error.add_note("seen by the worker")
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.code, copied.__notes__) == (OwnStorageError, 7, ["seen by the worker"])


def test_an_error_of_an_import_is_an_import_error_too() -> None:
    assert issubclass(MissingExtraError, ImportError)


def test_what_may_succeed_later_says_so() -> None:
    assert [type(error).__name__ for error in MADE if error.retryable] == ["StorageTimeoutError", "BackendError"]


def test_what_may_have_written_says_so_in_its_text_too() -> None:
    """A time-out of a call that only reads leaves nothing open."""
    assert [type(error).__name__ for error in MADE if error.maybe_applied] == ["BackendError"]
    for operation in OPERATIONS.values():
        assert StorageTimeoutError(operation.name, 1).maybe_applied == operation.writes
    assert str(BackendError("no reply", maybe_applied=True)) == "no reply; a write may have been applied"
    assert str(BackendError("no reply", retryable=True)) == "no reply"


class OwnError(Exception):
    pass


class OwnStorageError(StorageError):
    def __init__(self, entity: str, *, code: int) -> None:
        super().__init__(f"{entity} failed")
        self.code = code


@pytest.mark.parametrize(
    ("operation", "error", "outcome", "error_type", "marks"),
    [
        ("session.update", RecordNotFoundError("session", "x"), "not_found", "RecordNotFoundError", False),
        ("session.get", RecordNotFoundError("session", "x"), "error", "RecordNotFoundError", True),
        ("session.get", ResidencyError("x", DECISION), "denied", "ResidencyError", True),
        ("session.get", errors.TenantRequiredError("x"), "denied", "TenantRequiredError", True),
        ("session.get", BackendError("x", driver_error="redis.X"), "error", "redis.X", True),
        ("session.get", BackendError("x"), "error", "BackendError", True),
        ("session.get", KeyError("x"), "error", "KeyError", True),
        ("session.get", OwnError("x"), "error", f"{__name__}.OwnError", True),
        ("session.get", asyncio.CancelledError(), "cancelled", "CancelledError", False),
        ("session.get", GeneratorExit(), "cancelled", "GeneratorExit", False),
    ],
)
def test_what_an_exception_means(
    operation: str, error: BaseException, outcome: str, error_type: str, marks: Any
) -> None:
    call = Call(OPERATIONS[operation], {}, CallContext())
    failure = failure_of(call, error)
    assert failure == (outcome, error_type, marks)
    assert outcome in OUTCOMES
    assert failure_of(call, error) is failure  # layers that see the same exception share the answer
    assert failure_of(call, KeyError("y")) is not failure


async def test_a_cancellation_by_our_own_time_out_is_an_error() -> None:
    call = Call(OPERATIONS["session.get"], {}, CallContext())
    seen: list[tuple[Any, ...]] = []

    async def wait() -> None:
        async with asyncio.timeout(0) as call.deadline:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError as cancelled:
                seen.append(failure_of(call, cancelled))
                raise

    with pytest.raises(TimeoutError):
        await wait()
    assert seen == [("error", "StorageTimeoutError", True)]


def test_a_missing_package_names_the_extra() -> None:
    assert require_extra("json", extra="any").dumps({}) == "{}"
    with pytest.raises(MissingExtraError, match=r"pip install 'storescope\[otlp\]'"):
        require_extra("no_such_package", extra="otlp")
    with pytest.raises(MissingExtraError, match=r"pip install 'storescope'"):
        require_extra("no_such_package", extra=None)
