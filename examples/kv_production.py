"""The documentation's production example: five stores, and fifteen handlers written by hand.

Run it: `python examples/kv_production.py`. STORAGE_URL names the store; without it, memory.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from storescope import Message, Part, RecordNotFoundError, Sandbox, Session, Setup, StorageClient
from storescope import Store as Envelope
from storescope.backends import Index, Store, create_kv

if TYPE_CHECKING:
    from storescope import Handlers

kv = create_kv(os.environ.get("STORAGE_URL", "memory:"), prefix="myapp/")
by_session = {"by_session_id": Index(key=lambda record: record["sessionId"], order="insertion")}

sessions: Store[Session, None] = kv.store("agent/session/")
messages: Store[Message, None] = kv.store("agent/message/", indexes=by_session)
parts: Store[Part, None] = kv.store("agent/part/", indexes=by_session)
sandboxes: Store[Sandbox, None] = kv.store("agent/sandbox/")
setups: Store[Setup, None] = kv.store("agent/setup/")


async def get(store: Store[Any, None], *, id: str) -> Any:
    """Return a record, or None."""
    return await store.get_value(id)


async def put(store: Store[Any, None], *, id: str, value: Any) -> None:
    """Insert or replace a record whole."""
    await store.set(id, value)


async def update(entity: str, store: Store[Any, None], *, id: str, updates: dict[str, Any]) -> Any:
    """Merge atomically: if somebody else writes in between, the merge is made anew on what they wrote."""
    updated = await store.update(id, lambda existing: {**existing, **updates})
    if updated is None:
        raise RecordNotFoundError(entity, id)
    return updated


async def list_by_session(store: Store[Any, None], *, session_id: str) -> list[Any]:
    """Return a session's records, in order of first insertion."""
    return [await entry.value async for _, entry in store.entries(by_session_id=session_id)]


handlers: Handlers = {
    "session.get": partial(get, sessions),
    "session.set": partial(put, sessions),
    "session.update": partial(update, "session", sessions),
    "message.get": partial(get, messages),
    "message.set": partial(put, messages),
    "message.update": partial(update, "message", messages),
    "message.listBySession": partial(list_by_session, messages),
    "part.get": partial(get, parts),
    "part.set": partial(put, parts),
    "part.listBySession": partial(list_by_session, parts),
    "sandbox.get": partial(get, sandboxes),
    "sandbox.set": partial(put, sandboxes),
    "sandbox.update": partial(update, "sandbox", sandboxes),
    "setup.get": partial(get, setups),
    "setup.set": partial(put, setups),
}


async def storage(store: Envelope) -> Any:
    """The agent's storage function."""
    return await store.on(handlers)


async def main() -> None:
    """Use it as an agent does."""
    agent = StorageClient(storage)
    await agent.session.set("s1", {"id": "s1", "createdAt": 1})
    await agent.message.set("m1", {"id": "m1", "sessionId": "s1", "text": "hello"})
    together = (agent.session.update("s1", {f"field{n}": n}) for n in range(50))
    await asyncio.gather(*together)
    print(len((await agent.session.get("s1")) or {}), "fields: of fifty updates at once, none is lost")
    print(await agent.message.list_by_session("s1"))
    await kv.aclose()


if __name__ == "__main__":
    asyncio.run(main())
