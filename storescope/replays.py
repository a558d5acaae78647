"""Calls that a workflow engine answered from its log: they enter no stack, so they are told to listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet

if TYPE_CHECKING:
    from storescope.context import CallContext


@dataclass(frozen=True, slots=True)
class Replay:
    """A call that was not made again.

    Attributes:
        operation: The operation's name.
        context: For whom, by whom, from where, with the call id of the first run.
        traceparent: The span of the first run, as W3C trace context; None if it had none.
    """

    operation: str
    context: CallContext
    traceparent: str | None


ReplayListener: TypeAlias = Callable[[Replay], None]
"""Called with each replay. It must not raise."""

_listeners: WeakSet[ReplayListener] = WeakSet()


def add_replay_listener(listener: ReplayListener) -> None:
    """Tell `listener` of every replay from now on.

    Args:
        listener: An object that can be called; it is held weakly, so its owner must keep it.
    """
    _listeners.add(listener)


def report_replay(replay: Replay) -> None:
    """Tell all listeners of a replay.

    Args:
        replay: What was answered from the log.
    """
    for listener in tuple(_listeners):
        listener(replay)
