"""What can be wrong with a step, beside what is wrong with the call that it makes."""

from __future__ import annotations

from storescope.errors import StorageError


class DurableError(StorageError):
    """A step cannot be recorded, or what is recorded is not what the workflow's code asks for now."""


class StepFailed(Exception):  # noqa: N818 (a message for an engine, and no error of its own)
    """What a step raises, so that an engine sees a failure: it carries the call's error through the engine's log.

    Attributes:
        text: The recorded outcome.
        retryable: Whether the engine may make the call again, as its policy says.
        error_class: The class of the call's error: all that an engine may show of it.
    """

    def __init__(self, text: str, error_class: str, *, retryable: bool) -> None:
        super().__init__(error_class)
        self.text = text
        self.error_class = error_class
        self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        return _failed, (self.text, self.error_class, self.retryable)


def _failed(text: str, error_class: str, retryable: bool) -> StepFailed:  # noqa: FBT001 (pickle gives no keywords)
    return StepFailed(text, error_class, retryable=retryable)
