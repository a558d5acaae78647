"""One call as a step: made with the id that its place gives it, and kept as the text that the engine logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storescope.context import CallContext
from storescope.durable._errors import DurableError, StepFailed
from storescope.durable._outcome import Outcome, as_reference, fingerprint
from storescope.durable._trace import traceparent_of
from storescope.errors import InvalidRecordError
from storescope.step_log import use_step_log
from storescope.store import Store

if TYPE_CHECKING:
    from storescope.client import Storage
    from storescope.durable._engine import Place
    from storescope.step_log import StepLog


class Run:
    """Makes one call, in as many tries as the engine likes.

    Attributes:
        ran: Whether it was made here at all.
        result: What the last try returned.
        error: What the last try raised.
    """

    def __init__(self, storage: Storage, store: Store, log: StepLog) -> None:
        self.ran = False
        self.result: Any = None
        self.error: Exception | None = None
        self._storage = storage
        self._store = store
        self._log = log

    async def __call__(self, place: Place) -> str:
        """Make the call.

        Returns:
            What the engine should log.

        Raises:
            StepFailed: If it raised; the engine should log that.
        """
        self.ran = True
        self.result = self.error = None
        context = replace(self._store.context or CallContext(), call_id=place.call_id, attempt=place.attempt)
        envelope = Store(self._store.operation, self._store.params, context)
        try:
            with use_step_log(self._log):
                self.result = await self._storage(envelope)
            return self._outcome(envelope).to_text()
        except Exception as error:
            self.error = error
            text = self._outcome(envelope).to_text()
            raise StepFailed(text, type(error).__qualname__, retryable=getattr(error, "retryable", True)) from None

    def _outcome(self, envelope: Store) -> Outcome:
        span = None if envelope.call is None else traceparent_of(envelope.call.span_context)
        context = envelope.context or CallContext()
        outcome = Outcome(fingerprint(envelope), context, span, self.result, self.error)
        return as_reference(outcome) if self._log.results == "reference" else outcome


def check_arguments(store: Store) -> None:
    """Make sure that a call can be kept before it is made.

    Raises:
        DurableError: If an argument is not JSON: no result that holds it could be kept.
    """
    try:
        store.to_json()
    except InvalidRecordError as error:
        raise DurableError(f"{error}; a durable step keeps only JSON. Nothing was called") from None
