"""What a workflow engine has to do for durable steps: `dbos.py` and `temporal.py` do it, and yours may."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, Protocol

from storescope.errors import WrapError

if TYPE_CHECKING:
    from storescope.durable._run import Run
    from storescope.store import Store


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried whose error is retryable, in process, by the engine.

    Attributes:
        attempts: How many tries there are at most, the first included.
        seconds: The wait before the second try.
        backoff: By how much each wait is longer than the one before.
    """

    attempts: int = 3
    seconds: float = 1.0
    backoff: float = 2.0

    def __post_init__(self) -> None:
        """Refuse numbers that an engine would refuse, or would take for something else.

        Raises:
            WrapError: If there is no try, no wait, or a wait that is shorter than the one before.
        """
        if not (self.attempts >= 1 and self.seconds > 0 and self.backoff >= 1):
            raise WrapError("Retry: attempts must be 1 or more, seconds above 0, backoff 1 or more")


@dataclass(frozen=True, slots=True)
class Place:
    """Which step of which workflow runs.

    Attributes:
        engine: The engine's name.
        workflow: The workflow's id, with that of its run if the engine has one.
        step: The step in it: the same when the workflow is replayed.
        attempt: 1 for the first try, as the engine counts.
    """

    engine: str
    workflow: str
    step: str
    attempt: int

    @property
    def call_id(self) -> str:
        """The id of the step's call, 32 hex digits: the same in every try, in whatever process."""
        name = f"{self.engine}\0{self.workflow}\0{self.step}"
        return blake2b(name.encode(), digest_size=16).hexdigest()


class Answer(NamedTuple):
    """What an engine says of a step.

    Attributes:
        text: What the run returned, now or when it ran; of one that failed, `StepFailed.text`.
        replayed: Whether it comes from the engine's log, and nothing was run.
    """

    text: str
    replayed: bool


class Engine(Protocol):
    """A workflow engine."""

    @property
    def name(self) -> str:
        """What the engine is called."""
        ...

    def workflow(self) -> str | None:
        """Return the id of the workflow whose code runs here; None outside of one, and inside a step."""
        ...

    async def run(self, store: Store, run: Run) -> Answer:
        """Make a step of a call, or answer it from the log.

        An engine that runs its steps in place awaits `run(place)` in the step, which returns the text to keep, or
        raises a `StepFailed` that it should keep, and try again only if that is `retryable`.

        Args:
            store: The call. Its operation is a part of the step's name, so that the engine notices changed code.
            run: Makes the call.

        Raises:
            DurableError: If the log holds another step in this place.
        """
        ...
