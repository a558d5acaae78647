"""Makes the calls of one session: how each is to end is drawn beforehand, and what failed is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope import CallContext, RecordNotFoundError, ResidencyError, Store
from storescope.apps.load._faults import FAULTS, fault
from storescope.apps.load._policy import READS, RESIDENT, UNLISTED
from storescope.errors import BackendError

if TYPE_CHECKING:
    from random import Random

    from storescope.apps.load._tally import Tally

Storage: TypeAlias = Callable[[Store], Awaitable[Any]]

ATTEMPTS = 3
ABROAD_SHARE = 0.1
"""Of the reads of a tenant that is monitored or has an exception: those that come from abroad."""

_PAUSE_SECONDS = 0.05


class Fate(Enum):
    """What is to become of a call."""

    PLAIN = "plain"
    ABROAD = "abroad"  # let through: monitored, or by the exception
    DENIED = "denied"
    FAULT = "fault"


class EndedError(Exception):
    """The time is over: no call is made any more."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the callers of all sessions share.

    Attributes:
        storage: The storage function.
        tally: Where calls are counted.
        running: Says whether there is time left.
        errors: The share of calls that fail.
        denials: The share of calls that are denied.
        home: Where the backend's data rests, and most calls come from.
        abroad: Another region.
    """

    storage: Storage
    tally: Tally
    running: Callable[[], bool]
    errors: float
    denials: float
    home: str
    abroad: str


class Caller:
    """Makes calls for one tenant. What is drawn for a call does not depend on how calls before it ended."""

    def __init__(self, setting: Setting, random: Random, tenant: str) -> None:
        self._setting = setting
        self._random = random
        self._resident = tenant == RESIDENT
        self._context = CallContext(tenant=tenant, actor="load-agent", region=setting.home)

    def call(self, operation: str, **params: Any) -> Awaitable[Any]:
        """Make a call, and make it again if it was denied or failed.

        Returns:
            To be awaited: what the call returned; None if there is no such record, or no attempt succeeded.
        """
        # Drawn now, not when it is awaited: the calls of a race are awaited together.
        return self._tried(operation, params, [self._draw(operation) for _ in range(ATTEMPTS)])

    async def together(self, *calls: Awaitable[Any]) -> None:
        """Make calls at the same time, and wait for all of them."""
        for result in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def stopped(self, operation: str, **params: Any) -> None:
        """Make a call and cancel it while it is under way, as a user does who stops the agent."""
        task = asyncio.create_task(self._once(operation, params, *self._draw(operation)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # it ended first, and whatever it raised is counted

    def _draw(self, operation: str) -> tuple[Fate, CallContext, str]:
        """Draw what becomes of one attempt, from where it is made, and with which fault."""
        random, setting = self._random, self._setting
        kind, detail = random.random(), random.random()
        if kind < setting.denials:
            if self._resident and detail < 0.5:  # noqa: PLR2004 (one half is denied for where it comes from)
                return Fate.DENIED, replace(self._context, region=setting.abroad), ""
            return Fate.DENIED, replace(self._context, tenant=UNLISTED), ""
        if kind < setting.denials + setting.errors:
            return Fate.FAULT, self._context, FAULTS[int(detail * len(FAULTS))]
        if not self._resident and detail < ABROAD_SHARE and operation in READS:
            return Fate.ABROAD, replace(self._context, region=setting.abroad), ""
        return Fate.PLAIN, self._context, ""

    async def _tried(
        self, operation: str, params: dict[str, Any], attempts: list[tuple[Fate, CallContext, str]]
    ) -> Any:
        for number, (fate, context, error_type) in enumerate(attempts, 1):
            if number > 1:
                context = replace(context, attempt=number)  # noqa: PLW2901 (the same one, numbered)
            try:
                return await self._once(operation, params, fate, context, error_type)
            except RecordNotFoundError:
                return None
            except EndedError:
                raise
            except Exception:  # a driver's own too: it is counted, and ends no load
                # A store that is down must not be hammered; and the loop must get its turn.
                await asyncio.sleep(_PAUSE_SECONDS if fate is Fate.PLAIN else 0)
        return None

    async def _once(
        self, operation: str, params: dict[str, Any], fate: Fate, context: CallContext, error_type: str
    ) -> Any:
        """Make a call once, and count how it ended.

        Raises:
            EndedError: Instead, if the time is over.
        """
        if not self._setting.running():
            raise EndedError
        outcome, tally, begun = "error", self._setting.tally, perf_counter()
        try:
            with fault(error_type) if fate is Fate.FAULT else nullcontext():
                result = await self._setting.storage(Store(operation, params, context))
        except RecordNotFoundError:
            outcome = "not_found"
            raise
        except ResidencyError:
            outcome = "denied"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception as error:
            tally.error_types[_type_of(error)] += 1
            raise
        else:
            outcome = "ok"
            return result
        finally:
            tally.add(operation, outcome, perf_counter() - begun)


def _type_of(error: Exception) -> str:
    """Return the error's type as metrics have it."""
    return (error.driver_error if isinstance(error, BackendError) else None) or type(error).__name__
