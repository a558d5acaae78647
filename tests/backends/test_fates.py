"""What each error of a driver says of a retry: whether it may succeed, and whether the call may have written."""

from __future__ import annotations

from typing import Any, cast

import asyncpg
import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from redis import exceptions as redis_errors

from storescope.backends._dynamodb._errors import backend_error as dynamodb_error
from storescope.backends._postgres._errors import backend_error as postgres_error
from storescope.backends._redis._connection import Attempt
from storescope.backends._redis._errors import backend_error as redis_error
from storescope.backends._redis._errors import is_answer

NO, YES, IF_SENT = "no", "yes", "if it was sent"

REDIS = [
    (redis_errors.ConnectionError(), YES, IF_SENT),
    (redis_errors.TimeoutError(), YES, IF_SENT),
    (ConnectionResetError(), YES, IF_SENT),
    (redis_errors.InvalidResponse(), NO, IF_SENT),  # an answer, but nobody knows to what
    (redis_errors.BusyLoadingError(), YES, NO),
    (redis_errors.OutOfMemoryError(), YES, NO),
    (redis_errors.ReadOnlyError(), YES, NO),
    (redis_errors.MasterDownError(""), YES, NO),
    (redis_errors.TryAgainError(), YES, NO),
    (redis_errors.ClusterDownError(""), YES, NO),
    (redis_errors.SlotNotCoveredError(), YES, NO),
    (redis_errors.NoPermissionError(), NO, NO),
    (redis_errors.AuthenticationError(), NO, NO),
    (redis_errors.ResponseError("WRONGTYPE"), NO, NO),
]

POSTGRES = [
    (asyncpg.ConnectionDoesNotExistError(), YES, IF_SENT),
    (asyncpg.InterfaceError("x"), YES, IF_SENT),
    (asyncpg.InternalClientError(), YES, IF_SENT),
    (ConnectionResetError(), YES, IF_SENT),
    (asyncpg.AdminShutdownError(), YES, IF_SENT),
    (asyncpg.CrashShutdownError(), YES, IF_SENT),
    (asyncpg.IdleSessionTimeoutError(), YES, IF_SENT),
    (asyncpg.IdleInTransactionSessionTimeoutError(), YES, IF_SENT),
    (asyncpg.QueryCanceledError(), YES, NO),
    (asyncpg.DiskFullError(), YES, NO),
    (asyncpg.OutOfMemoryError(), YES, NO),
    (asyncpg.TooManyConnectionsError(), YES, NO),
    (asyncpg.SerializationError(), YES, NO),
    (asyncpg.DeadlockDetectedError(), YES, NO),
    (asyncpg.LockNotAvailableError(), YES, NO),
    (asyncpg.ReadOnlySQLTransactionError(), YES, NO),
    (asyncpg.InsufficientPrivilegeError(), NO, NO),
    (asyncpg.UndefinedTableError(), NO, NO),
]


def answered(code: str, status: int = 400) -> aws.ClientError:
    """Return what botocore raises when DynamoDB answers so."""
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws.ClientError(cast("Any", response), "PutItem")


DYNAMODB = [
    (aws.ConnectionClosedError(endpoint_url="x"), YES, IF_SENT),
    (aws.ReadTimeoutError(endpoint_url="x"), YES, IF_SENT),
    (aws.HTTPClientError(error=ValueError()), YES, IF_SENT),
    (ConnectionResetError(), YES, IF_SENT),
    (ResponseParserError(), YES, IF_SENT),
    (answered("InternalServerError", 500), YES, IF_SENT),  # which DynamoDB says may have been applied
    (answered("ServiceUnavailable", 503), YES, IF_SENT),
    (answered("SomethingNew", 500), YES, IF_SENT),
    (answered("ThrottlingException"), YES, NO),
    (answered("ProvisionedThroughputExceededException"), YES, NO),
    (answered("RequestLimitExceeded"), YES, NO),
    (answered("AccessDeniedException"), NO, NO),
    (answered("ResourceNotFoundException"), NO, NO),
    (answered("ValidationException"), NO, NO),
    (aws.SSLError(endpoint_url="x", error=ValueError()), NO, IF_SENT),
]


@pytest.mark.parametrize(("error", "retryable", "applied"), DYNAMODB, ids=repr)
def test_an_error_of_dynamodb(error: Exception, retryable: str, applied: str) -> None:
    assert dynamodb_error("x", error).retryable == (retryable is YES)
    assert dynamodb_error("x", error, sent=True).maybe_applied == (applied is IF_SENT)
    assert not dynamodb_error("x", error).maybe_applied


@pytest.mark.parametrize(("error", "retryable", "applied"), REDIS, ids=repr)
def test_an_error_of_redis(error: Exception, retryable: str, applied: str) -> None:
    assert redis_error("x", error).retryable == (retryable is YES)
    attempt = Attempt()
    assert not attempt.may_have_written(answered=is_answer(error))
    attempt.sent = True
    assert attempt.may_have_written(answered=is_answer(error)) == (applied is IF_SENT)


@pytest.mark.parametrize(("error", "retryable", "applied"), POSTGRES, ids=repr)
def test_an_error_of_postgres(error: Exception, retryable: str, applied: str) -> None:
    assert postgres_error("x", error).retryable == (retryable is YES)
    assert postgres_error("x", error, sent=True).maybe_applied == (applied is IF_SENT)
    assert not postgres_error("x", error).maybe_applied
