"""obstore's errors as ours: by class, HTTP status and S3's code, never by text, which holds names and URLs."""

from __future__ import annotations

import re
from typing import NamedTuple

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from storescope import BackendError, RecordTooLargeError

DRIVER_ERRORS = (BaseError, FileNotFoundError, OSError, ValueError)
CONFLICTS = (AlreadyExistsError, PreconditionError, FileNotFoundError)
"""What a write under a condition meets if the condition does not hold."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_UNREACHED = re.compile(r"kind: Connect\b")
_CLIENT, _SERVER = 400, 500  # HTTP statuses from these on
_NOT_IMPLEMENTED = 501
_UNDECIDED = frozenset({500, 502, 504})  # 503 is a refusal: S3 says SlowDown


class Answer(NamedTuple):
    """What a server answered.

    Attributes:
        status: The HTTP status; 0 if no answer came.
        code: S3's code; empty if there is none.
        reached: Whether the request may have reached it.
    """

    status: int
    code: str
    reached: bool


def read_answer(error: Exception) -> Answer:
    """Return what an error says of the server's answer."""
    text = str(error)
    status = _STATUS.search(text)
    code = _CODE.search(text)
    return Answer(int(status[1]) if status else 0, code[1] if code else "", not _UNREACHED.search(text))


def is_retryable(answer: Answer) -> bool:
    """Return whether the same request may succeed later."""
    return not _CLIENT <= answer.status < _SERVER and answer.status != _NOT_IMPLEMENTED


def backend_error(what: str, error: Exception, *, writes: bool = False) -> BackendError:
    """Return the error to raise `from None`.

    Args:
        what: What could not be done.
        error: What obstore raised.
        writes: Whether a write was on its way.
    """
    answer = read_answer(error)
    name = f"obstore.{type(error).__name__}" + (f":{answer.code or answer.status}" if answer.status else "")
    if answer.code == "EntityTooLarge":
        raise RecordTooLargeError("the record is larger than this object store takes")
    lost = answer.reached and (not answer.status or answer.status in _UNDECIDED)
    return BackendError(
        f"s3: {what} ({name})",
        driver_error=name,
        retryable=is_retryable(answer),
        maybe_applied=writes and lost,
    )
