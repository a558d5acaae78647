"""Durable steps with Temporal: `storage = activity(storage)`, and `activities=storage.activities` on the worker.

    storage = activity(handlers, region="aws:eu-west-1")

    @workflow.defn
    class Turn:
        @workflow.run
        async def run(self, session_id: str) -> None:
            agent = StorageClient(storage)
            ...

    Worker(client, task_queue="agents", workflows=[Turn], activities=storage.activities)

The module that makes `storage` is imported inside `workflow.unsafe.imports_passed_through()`: else Temporal's
sandbox would open another one for each workflow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from storescope._extras import require_extra
from storescope.contract import OPERATIONS
from storescope.durable._engine import Answer, Place, Retry
from storescope.durable._errors import DurableError, StepFailed
from storescope.durable._run import Run
from storescope.durable._storage import DurableStorage
from storescope.errors import WrapError
from storescope.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.durable._storage import Target

__all__ = ["Retry", "TemporalStorage", "activity"]

_FAILED = "storescope.StepFailed"


class TemporalStorage(DurableStorage):
    """What `activity` returns.

    Attributes:
        activities: For `Worker(activities=...)`: one activity for each operation.
    """

    def __init__(self, target: Target, engine: _Engine, *, region: str | None) -> None:
        """Make a storage function, and the activities that make its calls; `activity` does that."""
        super().__init__(target, engine, region=region)
        self.activities = [engine.activity(self, operation) for operation in OPERATIONS]


def activity(
    storage: Target,
    *,
    name: str = "storage",
    retry: Retry | None = None,
    region: str | None = None,
    seconds: float = 60.0,
) -> TemporalStorage:
    """Make each call on a storage function an activity of the Temporal workflow that makes it.

    A completed call is not made again when its workflow is replayed: its result, or its error, comes from the
    workflow's history. Outside of a workflow, and inside an activity, a call is a plain call. The step's call id
    is made of the ids of workflow, run and activity; its attempt is Temporal's, across processes.

    A history holds the arguments of activities too: records that are set, and whole contexts.

    Args:
        storage: The storage function, or the handler map that it would hand envelopes to. Of a map, a region guard
            is asked now; of a function, when the first call passes it.
        name: What the activities are called: `storage.session.get`. Workflows under way do not survive another.
        retry: How often a call is tried whose error is retryable, or whose worker is lost; None for Temporal's own
            way, which is without end.
        region: Where the histories rest, `aws:eu-west-1`, for a residency policy.
        seconds: How long one try may take: after that long without an answer Temporal takes its worker for lost.

    Returns:
        A storage function, with the `activities` that the worker needs.

    Raises:
        MissingExtraError: If Temporal's SDK is not installed.
        PolicyError: If a region guard of the map forbids the log, or wants its region declared.
        WrapError: If `seconds` is not above 0.
    """
    if not seconds > 0:
        raise WrapError("activity: seconds must be above 0")
    return TemporalStorage(storage, _Engine(name, retry, seconds), region=region)


class _Engine:
    name = "temporal"

    def __init__(self, name: str, retry: Retry | None, seconds: float) -> None:
        self._workflow = require_extra("temporalio.workflow", extra="temporal")
        self._activity = require_extra("temporalio.activity", extra="temporal")
        self._exceptions = require_extra("temporalio.exceptions", extra="temporal")
        self._name = name
        self._options: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=seconds)}
        if retry is not None:
            self._options["retry_policy"] = require_extra("temporalio.common", extra="temporal").RetryPolicy(
                maximum_attempts=retry.attempts,
                initial_interval=timedelta(seconds=retry.seconds),
                backoff_coefficient=retry.backoff,
            )

    def workflow(self) -> str | None:
        """Return the id of the workflow whose code runs here."""
        return str(self._workflow.info().workflow_id) if self._workflow.in_workflow() else None

    async def run(self, store: Store, run: Run) -> Answer:
        """Make an activity of a call; the one whose worker gets it makes its own `Run`."""
        del run
        try:
            text = await self._workflow.execute_activity(
                f"{self._name}.{store.operation}", store.to_json(), result_type=str, **self._options
            )
        except self._exceptions.ActivityError as error:
            text = self._text_of(error)
        return Answer(text, replayed=self._workflow.unsafe.is_replaying())

    def activity(self, durable: DurableStorage, operation: str) -> Callable[..., Any]:
        """Return the activity that makes calls of one operation."""

        async def call(envelope: str) -> str:
            try:
                return await Run(durable.storage, Store.from_json(envelope), durable.log)(self._place())
            except StepFailed as failed:
                raise self._exceptions.ApplicationError(
                    failed.error_class, failed.text, type=_FAILED, non_retryable=not failed.retryable
                ) from None

        return self._activity.defn(name=f"{self._name}.{operation}")(call)  # type: ignore[no-any-return] # it is call

    def _place(self) -> Place:
        info = self._activity.info()
        return Place(self.name, f"{info.workflow_id}/{info.workflow_run_id}", info.activity_id, info.attempt)

    def _text_of(self, error: Any) -> str:
        """Return what a failed activity left.

        Raises:
            DurableError: If it left nothing of ours: no worker answered in time, or none has the activity.
        """
        cause = error.cause
        if isinstance(cause, self._exceptions.ApplicationError) and cause.type == _FAILED:
            return str(cause.details[0])
        if isinstance(cause, self._exceptions.CancelledError):
            raise error
        what = DurableError(
            f"the activity {error.activity_type} ended without an answer ({type(cause).__name__}): give "
            "activities=storage.activities to a worker of this task queue, and look at its log"
        )
        what.maybe_applied = True
        raise what from None
