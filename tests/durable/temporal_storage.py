"""The storage function of the workers, in a module that workflows take over from outside of their sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.durable import Retry
from storescope.durable.temporal import activity

if TYPE_CHECKING:
    from storescope import Handler, Store

HANDLERS: dict[str, Handler] = {}


async def on_handlers(store: Store) -> Any:
    return await store.on(HANDLERS)


# After `seconds` Temporal takes a killed worker for lost: short, for tests that kill them.
storage = activity(on_handlers, retry=Retry(attempts=20, seconds=0.1), seconds=2)
