"""What backends count of themselves, and who listens: retries, update conflicts, connections.

A backend imports no middleware. It reports here, and whoever listens is told of every change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from weakref import WeakSet

if TYPE_CHECKING:
    from storescope.call import BackendInfo

Count: TypeAlias = Literal["retries", "update_conflicts", "connections_open", "connections_waiting"]
"""What is counted: the first two only grow; the others go up and down.

- `retries`: commands that were sent again after a connection failed. Only reads are.
- `update_conflicts`: updates that found their record changed between reading and writing it.
- `connections_open`: connections to the store that are open.
- `connections_waiting`: calls that wait for a free one.
"""

Listener: TypeAlias = Callable[["BackendInfo", Count, int], None]
"""Called with the backend, what is counted, and by how much that changed. It must not raise."""

_listeners: WeakSet[Listener] = WeakSet()
_reports: WeakSet[BackendReport] = WeakSet()


def add_listener(listener: Listener) -> None:
    """Tell `listener` what all open backends have counted so far, and every change from now on.

    Args:
        listener: An object that can be called; it is held weakly, so its owner must keep it.
    """
    _listeners.add(listener)
    for report in tuple(_reports):
        report.catch_up(listener)


class BackendReport:
    """One backend's counts. Before `begin` they are kept; from then on they are told."""

    __slots__ = ("__weakref__", "_counts", "_info")

    def __init__(self) -> None:
        self._info: BackendInfo | None = None
        self._counts: dict[Count, int] = dict.fromkeys(get_args(Count), 0)

    def begin(self, info: BackendInfo) -> None:
        """Say whose counts these are."""
        self._info = info
        _reports.add(self)
        for listener in tuple(_listeners):
            self.catch_up(listener)

    def catch_up(self, listener: Listener) -> None:
        """Tell a new listener what was counted before it came, the zeros too: what never happened is known."""
        if self._info is not None:
            for count, amount in self._counts.items():
                listener(self._info, count, amount)

    def add(self, count: Count, amount: int = 1) -> None:
        """Count something."""
        self._counts[count] += amount
        if self._info is not None:
            for listener in tuple(_listeners):
                listener(self._info, count, amount)

    def set(self, count: Count, value: int) -> None:
        """Give the present value of what goes up and down."""
        change = value - self._counts[count]
        if change:
            self.add(count, change)

    def end(self) -> None:
        """The backend is closed: nothing is open any more, and nobody waits."""
        self.set("connections_open", 0)
        self.set("connections_waiting", 0)
        _reports.discard(self)
