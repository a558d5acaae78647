"""The storage function whose calls are steps of a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.compose import wrapped_of
from storescope.context import current_context
from storescope.durable._errors import DurableError
from storescope.durable._outcome import Outcome, fingerprint
from storescope.durable._recovered import Recovered
from storescope.durable._run import Run, check_arguments
from storescope.durable._trace import TraceSource
from storescope.errors import WrapError
from storescope.replays import Replay, report_replay
from storescope.step_log import StepLog
from storescope.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.client import Storage
    from storescope.contract import Handler, Handlers
    from storescope.durable._engine import Engine
    from storescope.step_log import Results

Target: TypeAlias = "Storage | Handlers"
"""What a call is made on: a storage function, or the handler map that one would hand its envelopes to."""


class DurableStorage:
    """A storage function. In a workflow each call is a step; outside of one, a plain call."""

    def __init__(
        self, target: Target, engine: Engine, *, region: str | None = None, results: Results = "content"
    ) -> None:
        """Make a storage function of an engine's.

        Args:
            target: The storage function to call, or a handler map.
            engine: Runs the steps.
            region: Where the engine's log rests, `aws:eu-west-1`.
            results: Whether the log keeps what calls return (`content`), or only that they were made
                (`reference`): a replay then reads the record again.

        Raises:
            PolicyError: If a region guard of the map forbids that log, or wants its region declared.
            WrapError: If `results` is none of its words.
        """
        if results not in {"content", "reference"}:
            raise WrapError(f"durable: results must be content or reference, not {results!r}")
        self.log = StepLog(engine.name, region, results)
        self.storage = storage_of(target, self.log)
        self._engine = engine
        self._trace = TraceSource()
        self._recovered = Recovered()

    async def __call__(self, store: Store) -> Any:
        """Make a call, or answer it from the log.

        Args:
            store: The envelope.

        Returns:
            What the handler returns, or returned when it ran.

        Raises:
            DurableError: If an argument is not JSON, or the log holds another call in this place.
        """
        workflow = self._engine.workflow()
        if workflow is None:
            return await self.storage(store)
        check_arguments(store)
        here = store.context or current_context()
        context = self._trace.fill(self._recovered.fill(workflow, here))
        envelope = Store(store.operation, store.params, context)
        run = Run(self.storage, envelope, self.log)
        answer = await self._engine.run(envelope, run)
        if run.ran:
            if run.error is not None:
                raise run.error
            return run.result
        outcome = Outcome.from_text(answer.text)
        _check_same(outcome, envelope)
        if answer.replayed:
            self._recovered.learn(workflow, here, outcome.context)
            report_replay(Replay(store.operation, outcome.context, outcome.traceparent))
        if outcome.error is not None:
            raise outcome.error
        if self.log.results == "reference":
            return await self._read_again(envelope)
        return outcome.result

    async def _read_again(self, store: Store) -> Any:
        """Return what the record is now. This read is a call of its own, and observed as one."""
        entity, _, verb = store.operation.partition(".")
        if verb == "set":
            return None
        if verb == "update":
            store = Store(f"{entity}.get", {"id": store.params["id"]}, store.context)
        return await self.storage(store)


def storage_of(target: Target, log: StepLog) -> Storage:
    """Return the storage function of a target; of a handler map, once its guards have seen the log."""
    if callable(target):
        return target
    check_guards(target.values(), log)

    async def storage(store: Store) -> Any:
        return await store.on(target)

    return storage


def check_guards(handlers: Iterable[Handler], log: StepLog) -> None:
    """Let every layer that has a `check_log` refuse the log."""
    for wrapped in filter(None, map(wrapped_of, handlers)):
        for layer in wrapped.layers:
            check = getattr(layer, "check_log", None)
            if check is not None:
                check(wrapped.backend, log)


def _check_same(outcome: Outcome, store: Store) -> None:
    if outcome.call != fingerprint(store):
        recorded = outcome.call.partition(" ")[0]
        other = "of another record" if recorded == store.operation else "instead"
        raise DurableError(
            f"the workflow's code has changed since this step ran: it asks for {store.operation} here, "
            f"and the log has {recorded} {other}. Let workflows that began with the old code end with it"
        )
