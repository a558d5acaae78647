"""Whether another process is still there: its record changes, or it does not, by the watcher's own clock."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from storescope.errors import VersionConflictError
from storescope.middleware._region._pins._pin import HOLDERS

if TYPE_CHECKING:
    from storescope.middleware._region._pins._store import Store
    from storescope.middleware._region._pins._timing import Timing


class _Sight(NamedTuple):
    version: str | None
    since: float


class Watch:
    """Watches holders. One that did not renew its record for the time of a lease is shut out, and then is gone.

    Gone is not enough: a call that it had begun may still be under way in a store. So it is called gone only once
    the settling time is over too.
    """

    def __init__(self, engine: Store, timing: Timing) -> None:
        self._engine = engine
        self._timing = timing
        self._seen: dict[str, _Sight] = {}

    async def is_gone(self, holder: str) -> bool:
        """Look once, and return whether a holder and its last calls are over. Ask again until they are.

        Raises:
            BackendError: If the registry cannot be reached.
        """
        entry = await self._engine.get(HOLDERS + holder)
        version, now = entry.version if entry else None, self._timing.clock()
        seen = self._seen.get(holder)
        if seen is None or seen.version != version:
            self._seen[holder] = _Sight(version, now)
            return False
        waited = now - seen.since
        if version is None:
            return waited >= self._timing.settle
        if waited >= self._timing.lease:
            await self._shut_out(holder, version)
        return False

    async def _shut_out(self, holder: str, version: str) -> None:
        """Take its record away, so that it cannot renew it any more."""
        with suppress(VersionConflictError):  # it lives; the next look sees its new version
            await self._engine.delete(HOLDERS + holder, expected=version)
