"""The agent's side: typed calls that build the envelope and await the storage function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from storescope.context import current_context
from storescope.store import Store

if TYPE_CHECKING:
    from storescope.records import Message, Part, Sandbox, Session, Setup

Storage: TypeAlias = Callable[[Store], Awaitable[Any]]
"""A storage function: `async def storage(store): return await store.on(handlers)`."""


class _Caller:
    """Builds envelopes for the operations of one entity."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def _call(self, operation: str, **params: Any) -> Any:
        return await self._storage(Store(operation, params, current_context()))


class _Sessions(_Caller):
    async def get(self, id: str) -> Session | None:
        """Return the session, or None."""
        return cast("Session | None", await self._call("session.get", id=id))

    async def set(self, id: str, value: Session | dict[str, Any]) -> None:
        """Insert the session, or replace it whole."""
        await self._call("session.set", id=id, value=value)

    async def update(self, id: str, updates: dict[str, Any]) -> Session:
        """Merge `updates` into the session and return it; raise `RecordNotFoundError` if there is none."""
        return cast("Session", await self._call("session.update", id=id, updates=updates))


class _Messages(_Caller):
    async def get(self, id: str) -> Message | None:
        """Return the message, or None."""
        return cast("Message | None", await self._call("message.get", id=id))

    async def set(self, id: str, value: Message | dict[str, Any]) -> None:
        """Insert the message, or replace it whole."""
        await self._call("message.set", id=id, value=value)

    async def update(self, id: str, updates: dict[str, Any]) -> Message:
        """Merge `updates` into the message and return it; raise `RecordNotFoundError` if there is none."""
        return cast("Message", await self._call("message.update", id=id, updates=updates))

    async def list_by_session(self, session_id: str) -> list[Message]:
        """Return the session's messages in order of first insertion."""
        return cast("list[Message]", await self._call("message.listBySession", session_id=session_id))


class _Parts(_Caller):
    async def get(self, id: str) -> Part | None:
        """Return the part, or None."""
        return cast("Part | None", await self._call("part.get", id=id))

    async def set(self, id: str, value: Part | dict[str, Any]) -> None:
        """Insert the part, or replace it whole."""
        await self._call("part.set", id=id, value=value)

    async def list_by_session(self, session_id: str) -> list[Part]:
        """Return the session's parts in order of first insertion."""
        return cast("list[Part]", await self._call("part.listBySession", session_id=session_id))


class _Sandboxes(_Caller):
    async def get(self, id: str) -> Sandbox | None:
        """Return the sandbox, or None."""
        return cast("Sandbox | None", await self._call("sandbox.get", id=id))

    async def set(self, id: str, value: Sandbox | dict[str, Any]) -> None:
        """Insert the sandbox, or replace it whole."""
        await self._call("sandbox.set", id=id, value=value)

    async def update(self, id: str, updates: dict[str, Any]) -> Sandbox:
        """Merge `updates` into the sandbox and return it; raise `RecordNotFoundError` if there is none."""
        return cast("Sandbox", await self._call("sandbox.update", id=id, updates=updates))


class _Setups(_Caller):
    async def get(self, id: str) -> Setup | None:
        """Return the setup, or None."""
        return cast("Setup | None", await self._call("setup.get", id=id))

    async def set(self, id: str, value: Setup | dict[str, Any]) -> None:
        """Insert the setup, or replace it whole."""
        await self._call("setup.set", id=id, value=value)


class StorageClient:
    """The fifteen operations as methods: `await client.session.get("s1")`.

    Each call carries the `call_context` that is in force where it is made.
    """

    def __init__(self, storage: Storage) -> None:
        """Make a client.

        Args:
            storage: The storage function that the envelopes are handed to.
        """
        self.session = _Sessions(storage)
        self.message = _Messages(storage)
        self.part = _Parts(storage)
        self.sandbox = _Sandboxes(storage)
        self.setup = _Setups(storage)
