"""What a step leaves in its engine's log: a JSON text, the same for every engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from storescope.context import CallContext
from storescope.durable._errors import DurableError
from storescope.durable._travel import dump_error, load_error
from storescope.errors import InvalidRecordError, StorageError

if TYPE_CHECKING:
    from storescope.store import Store

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        call: Which call it was, as `fingerprint` has it.
        context: For whom, by whom, from where; with the call's id and its attempt.
        traceparent: The span that it ran in, if there was one.
        result: What it returned, if it did and results are kept.
        error: What it raised, if it did.
    """

    call: str
    context: CallContext
    traceparent: str | None = None
    result: Any = None
    error: Exception | None = None

    def to_text(self) -> str:
        """Return it as JSON that comes back equal.

        Raises:
            DurableError: If the result is not JSON.
        """
        fields = {"v": _VERSION, "call": self.call, "context": self.context.to_dict(), "span": self.traceparent}
        if self.error is not None:
            fields["error"] = dump_error(self.error)
        elif self.result is not None:
            fields["result"] = self.result
        try:
            text = json.dumps(fields, allow_nan=False, separators=(",", ":"))
            same = json.loads(text) == fields
        except (TypeError, ValueError, RecursionError) as reason:
            raise _not_json(type(reason).__name__) from None
        if not same:
            raise _not_json("it would come back changed")
        return text

    @classmethod
    def from_text(cls, text: Any) -> Outcome:
        """Read what `to_text` wrote.

        Raises:
            DurableError: If it is something else.
        """
        try:
            fields = json.loads(text)
            if fields["v"] != _VERSION:
                raise ValueError  # noqa: TRY301 (to the one text below)
            error = fields.get("error")
            return cls(
                fields["call"],
                CallContext.from_dict(fields["context"]),
                fields["span"],
                fields.get("result"),
                None if error is None else load_error(error),
            )
        except (ValueError, TypeError, KeyError, InvalidRecordError):
            raise DurableError(
                "the log's result of this step is not one of a storage step: the workflow's code has changed"
            ) from None


def fingerprint(store: Store) -> str:
    """Return which call an envelope makes: the operation, and a short hash of the id that it names."""
    subject = store.params.get("id", store.params.get("session_id"))
    digest = blake2b(str(subject).encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return f"{store.operation} {digest}"


def as_reference(outcome: Outcome) -> Outcome:
    """Return it without what the call returned or said: what is kept is that it was made, and how it ended.

    storescope's own errors hold no content, and are kept whole.
    """
    error = outcome.error
    if error is not None and not isinstance(error, StorageError):
        error = type(error).__new__(type(error))
        error.args = ()
    return replace(outcome, result=None, error=error)


def _not_json(why: str) -> DurableError:
    error = DurableError(
        f"the result of this step cannot be kept in the engine's log, as it is not JSON ({why}); "
        "the call was made, and is not made again"
    )
    error.maybe_applied = True
    return error
