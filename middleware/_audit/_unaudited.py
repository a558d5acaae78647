"""Counts the calls that ended without a record of it, for the metrics to read when they are asked."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo, Call
    from storescope.contract import Operation

Labels: TypeAlias = "tuple[str, str, str]"
"""Operation, backend, region."""


class Unaudited:
    """What one audit layer could not record. It is only asked when a record failed, so a lock costs nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = Counter[Labels]()

    def counter(self, operation: Operation, backend: BackendInfo) -> Callable[[Call], None]:
        """Return what counts a call of an operation on a backend, or on the member that a router chose."""
        with self._lock:
            for place in backend.members or (backend,):
                self._counts.setdefault(_labels(operation, place), 0)

        def count(call: Call) -> None:
            with self._lock:
                self._counts[_labels(operation, call.backend or backend)] += 1

        return count

    def counts(self) -> Counter[Labels]:
        """Return all counts, as of now."""
        with self._lock:
            return self._counts.copy()


def _labels(operation: Operation, backend: BackendInfo) -> Labels:
    return operation.name, *backend.labels
