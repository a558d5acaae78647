"""What the bridge itself refuses, apart from the errors of storage: malformed, not let in, too much at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from storescope.backends._problems import KINDS, RETRY_AFTER_SECONDS, URN, problem_of, status_of
from storescope.backends._wire import MAX_BODY_BYTES, PROBLEM
from storescope.errors import RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope.errors import StorageError

WORDS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "not a request that the bridge understands"),
    "unauthenticated": (401, "no token or certificate, or not a known one"),
    "not-granted": (403, "the token or certificate does not allow this"),
    "no-such-path": (404, "nothing is here"),
    "no-such-method": (405, "not with this method"),
    "slow-body": (408, "the body did not arrive in time"),
    KINDS[RecordTooLargeError].word: (413, KINDS[RecordTooLargeError].title),
    "media-type": (415, "not of a media type that the bridge reads"),
    "rate-limit": (429, "more calls than the token or certificate allows"),
    "overloaded": (503, "too much at once"),
    "internal": (500, "a handler failed"),
}
"""The last part of a refusal's `type` -> status and title."""

_WITH_RETRY = (429, 503)


class Refusal(Exception):  # noqa: N818 (a refusal is no fault of ours)
    """A request that is not served.

    Attributes:
        word: A key of `WORDS`.
        status: Its HTTP status.
        headers: What the answer carries beside the usual.
        maybe_applied: Whether a write may have been applied all the same.
    """

    def __init__(
        self,
        word: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(detail)
        self.word = word
        self.status, self.title = WORDS[word]
        self.headers = headers or {}
        self.maybe_applied = maybe_applied

    def problem(self) -> dict[str, Any]:
        """Return it as a problem."""
        return {
            "type": URN + self.word,
            "title": self.title,
            "status": self.status,
            "detail": str(self),
            "retryable": self.status in _WITH_RETRY,
            "maybeApplied": self.maybe_applied,
        }


class Answer:
    """A whole answer, ready to be sent.

    Attributes:
        status: Its HTTP status.
        body: Its body.
        headers: Its headers, as ASGI has them.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if headers:
            self.headers += [(name.encode(), value.encode()) for name, value in headers.items()]


def too_large() -> Refusal:
    """Return the refusal of a body over the limit."""
    return Refusal(KINDS[RecordTooLargeError].word, f"a request holds {MAX_BODY_BYTES // 2**20} MiB at most")


def refused(refusal: Refusal) -> Answer:
    """Return the answer to what is refused. The connection is closed if its body was not read."""
    headers = dict(refusal.headers)
    if refusal.status in _WITH_RETRY:
        headers.setdefault("retry-after", str(RETRY_AFTER_SECONDS))
    return Answer(refusal.status, orjson.dumps(refusal.problem()), PROBLEM, headers)


def failed(error: StorageError) -> Answer:
    """Return the answer to a call that ended in one of our errors."""
    status = status_of(error)
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status in _WITH_RETRY else {}
    return Answer(status, orjson.dumps(problem_of(error)), PROBLEM, headers)
