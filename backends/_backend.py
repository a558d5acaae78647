"""`Backend`: an engine's tables as the fifteen handlers, with tenants kept apart and ids held to their limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from storescope import BackendInfo, Handler, RecordNotFoundError, wrap
from storescope.backends._admin import Admin
from storescope.backends._names import SCOPES, check_name

if TYPE_CHECKING:
    from types import TracebackType

    from storescope.backends._codec import Record
    from storescope.backends._tables import Engine, ListedTable, Table


class Backend(Mapping[str, Handler]):
    """A handler map over a store of its own: hand it to `wrap`, `store.on()` or anything that takes handlers.

    Attributes:
        info: What telemetry and the region guard know of it.
        admin: What an operator may do and an agent may not: `scan`, `purge`, `mark` and `marker`.
    """

    def __init__(self, engine: Engine, info: BackendInfo, *, tenancy: str = "shared") -> None:
        self.info = info
        self._engine = engine
        self.admin = Admin(engine, SCOPES[tenancy], info)
        self._handlers = wrap(_handlers(engine, SCOPES[tenancy]), backend=info)

    async def aclose(self) -> None:
        """Give back connections and threads. The backend is of no use afterwards; a second call does nothing."""
        await self._engine.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __getitem__(self, name: str) -> Handler:
        return self._handlers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"<Backend {self.info.label}>"


def _handlers(engine: Engine, scope: Callable[[], str]) -> dict[str, Handler]:
    return {
        "session.get": _get(engine.session, scope),
        "session.set": _set(engine.session, scope),
        "session.update": _update(engine.session, scope, "session"),
        "message.get": _get(engine.message, scope),
        "message.set": _set_in_session(engine.message, scope),
        "message.update": _update(engine.message, scope, "message"),
        "message.listBySession": _list(engine.message, scope),
        "part.get": _get(engine.part, scope),
        "part.set": _set_in_session(engine.part, scope),
        "part.listBySession": _list(engine.part, scope),
        "sandbox.get": _get(engine.sandbox, scope),
        "sandbox.set": _set(engine.sandbox, scope),
        "sandbox.update": _update(engine.sandbox, scope, "sandbox"),
        "setup.get": _get(engine.setup, scope),
        "setup.set": _set(engine.setup, scope),
    }


def _get(table: Table, scope: Callable[[], str]) -> Handler:
    async def get(*, id: str) -> Record | None:
        return await table.get(scope(), check_name(id, "the id"))

    return get


def _set(table: Table, scope: Callable[[], str]) -> Handler:
    async def set_(*, id: str, value: Record) -> None:
        await table.set(scope(), check_name(id, "the id"), value)

    return set_


def _set_in_session(table: Table, scope: Callable[[], str]) -> Handler:
    async def set_(*, id: str, value: Record) -> None:
        check_name(value["sessionId"], "sessionId")
        await table.set(scope(), check_name(id, "the id"), value)

    return set_


def _update(table: Table, scope: Callable[[], str], entity: str) -> Handler:
    in_session = entity == "message"

    async def update(*, id: str, updates: Record) -> Record:
        if in_session and "sessionId" in updates:
            check_name(updates["sessionId"], "sessionId")
        record = await table.update(scope(), check_name(id, "the id"), updates)
        if record is None:
            raise RecordNotFoundError(entity, id)
        return record

    return update


def _list(table: ListedTable, scope: Callable[[], str]) -> Handler:
    async def list_by_session(*, session_id: str) -> list[Any]:
        return await table.list_session(scope(), check_name(session_id, "session_id"))

    return list_by_session
