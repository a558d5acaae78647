"""Whether a backend answers, as far as the calls that were made to it have shown."""

from __future__ import annotations

import time

from storescope.errors import StorageError

_FAILURES = 3  # in a row, before new sessions go elsewhere
_PAUSE = 5.0  # seconds until a new session tries it again


class Health:
    """Counts failures in a row. It decides only where new sessions are placed; nothing that is pinned moves."""

    __slots__ = ("_failures", "_until")

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    @property
    def is_good(self) -> bool:
        """Whether something new may go there."""
        return self._failures < _FAILURES or time.monotonic() >= self._until

    def answered(self) -> None:
        """Note that a call came back."""
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        """Note that a call failed; only what may succeed later speaks against the backend."""
        if (isinstance(error, StorageError) and error.retryable) or isinstance(error, (OSError, TimeoutError)):
            self._failures += 1
            self._until = time.monotonic() + _PAUSE
