"""Durable steps with DBOS: `storage = step(storage)`.

storage = step(handlers, region="aws:eu-west-1")

@DBOS.workflow()
async def turn(session_id: str) -> None:
    agent = StorageClient(storage)
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope._extras import require_extra
from storescope.contract import OPERATIONS
from storescope.durable._engine import Answer, Place, Retry
from storescope.durable._errors import DurableError, StepFailed
from storescope.durable._storage import DurableStorage

if TYPE_CHECKING:
    from storescope.durable._run import Run
    from storescope.durable._storage import Target
    from storescope.step_log import Results
    from storescope.store import Store

__all__ = ["Retry", "step"]


def step(
    storage: Target,
    *,
    name: str = "storage",
    retry: Retry | None = None,
    region: str | None = None,
    results: Results = "content",
) -> DurableStorage:
    """Make each call on a storage function a step of the DBOS workflow that makes it.

    A completed call is not made again when its workflow is recovered: its result, or its error, comes from DBOS's
    system database. Outside of a workflow, and inside another step, a call is a plain call. The step's call id is
    made of the workflow's id and the step's number; its attempt is DBOS's, which counts anew in each process.

    Args:
        storage: The storage function, or the handler map that it would hand envelopes to. Of a map, a region guard
            is asked now; of a function, when the first call passes it.
        name: What the steps are called: `storage.session.get`. Workflows under way do not survive another.
        retry: How often a call is tried whose error is retryable; None for once, as is DBOS's own way.
        region: Where the system database rests, `aws:eu-west-1`, for a residency policy.
        results: `content` keeps what calls return; `reference` keeps that they were made, and a replay reads the
            record again, as it is by then.

    Returns:
        A storage function.

    Raises:
        MissingExtraError: If DBOS is not installed.
        PolicyError: If a region guard of the map forbids the log, or wants its region declared.
        WrapError: If `results` is none of its words.
    """
    engine = _Engine(require_extra("dbos", extra="dbos"), name, retry)
    return DurableStorage(storage, engine, region=region, results=results)


class _Engine:
    name = "dbos"

    def __init__(self, dbos: Any, name: str, retry: Retry | None) -> None:
        self._dbos = dbos.DBOS
        self._exhausted = dbos.error.DBOSMaxStepRetriesExceeded
        self._unexpected = dbos.error.DBOSUnexpectedStepError
        shared: dict[str, Any] = {}
        if retry is not None:
            shared = {
                "retries_allowed": True,
                "max_attempts": retry.attempts,
                "interval_seconds": retry.seconds,
                "backoff_rate": retry.backoff,
                "should_retry": _may_retry,
            }
        self._options = {operation: {"name": f"{name}.{operation}", **shared} for operation in OPERATIONS}

    def workflow(self) -> str | None:
        """Return the id of the workflow whose code runs here."""
        return self._dbos.workflow_id if self._dbos.step_id is None else None

    async def run(self, store: Store, run: Run) -> Answer:
        """Make a step of a call, or answer it from DBOS's system database."""

        async def call() -> str:
            return await run(self._place())

        try:
            text = await self._dbos.run_step_async(self._options[store.operation], call)
        except StepFailed as failed:
            text = failed.text
        except self._exhausted as error:
            text = error.errors[-1].text
        except self._unexpected as error:
            raise DurableError(
                f"the workflow's code has changed since this step ran, or the steps' name has: {error}"
            ) from None
        return Answer(text, replayed=not run.ran)

    def _place(self) -> Place:
        tried = self._dbos.step_status.current_attempt or 0
        return Place(self.name, self._dbos.workflow_id, str(self._dbos.step_id), tried + 1)


def _may_retry(error: BaseException) -> bool:
    return getattr(error, "retryable", True)
