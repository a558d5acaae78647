"""botocore's errors as ours: by class and code, never by text, which may hold keys, values and access keys."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from storescope import BackendError

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_RETRYABLE_CODES = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)
_RETRYABLE = (aws.ConnectionError, aws.HTTPClientError, aws.CredentialRetrievalError, ResponseParserError, OSError)
_SERVER_FAULT = 500  # the first HTTP status with which a server says nothing of what it did
DRIVER_ERRORS = (aws.BotoCoreError, aws.ClientError, ResponseParserError, OSError)


def backend_error(what: str, error: Exception, *, sent: bool = False) -> BackendError:
    """Return the error to raise `from None`.

    Args:
        what: What could not be done.
        error: What botocore, or the system under it, raised.
        sent: Whether a write was on its way, so that its fate is unknown if no answer came.
    """
    name = driver_error(error)
    return BackendError(
        f"dynamodb: {what} ({name})",
        driver_error=name,
        retryable=_is_retryable(error),
        maybe_applied=sent and not is_answer(error),
    )


def driver_error(error: Exception) -> str:
    """Name the error by its class, or by the server's code."""
    if isinstance(error, aws.ClientError):
        code = error_code(error)
        return f"botocore.ClientError:{code}" if _CODE.fullmatch(code) else "botocore.ClientError"
    module = "botocore." if type(error).__module__.startswith("botocore.") else ""
    return f"{module}{type(error).__name__}"


def error_code(error: Exception) -> str:
    """Return the server's code; empty if it did not answer."""
    response: Any = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def is_answer(error: Exception) -> bool:
    """Return whether the server answered, and so did nothing."""
    return isinstance(error, aws.ClientError) and _status(error) < _SERVER_FAULT


def never_reached(error: BaseException | None) -> bool:
    """Return whether there was no connection over which anything could have been sent."""
    if isinstance(error, aws.ConnectTimeoutError):
        return True
    cause = getattr(error, "kwargs", {}).get("error")
    return isinstance(cause, aiohttp.ClientConnectorError)


def _is_retryable(error: Exception) -> bool:
    if isinstance(error, aws.ClientError):
        return error_code(error) in _RETRYABLE_CODES or _status(error) >= _SERVER_FAULT
    return isinstance(error, _RETRYABLE) and not isinstance(error, aws.SSLError)


def _status(error: aws.ClientError) -> int:
    metadata: Any = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 400))
