"""How users write it, as type checkers see it: this file is part of the checked tree, and it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from storescope import (
    BackendInfo,
    Call,
    Handlers,
    Message,
    Middleware,
    Operation,
    Session,
    Step,
    StorageClient,
    Store,
    wrap,
)
from storescope.backends import open_backend
from storescope.middleware import AuditLog, audit, metrics, timeout, tracing

if TYPE_CHECKING:
    from pathlib import Path


def passing(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
    async def step(call: Call) -> Any:
        return await next_step(call)

    return step


async def test_how_users_write_it(tmp_path: Path) -> None:
    own: Middleware = passing
    async with open_backend("memory:") as backend, AuditLog.open(tmp_path / "audit") as log:
        handlers = wrap(backend, tracing(), metrics(), audit(log), timeout(5), own)
        assert_type(handlers, Handlers)

        async def storage(store: Store) -> Any:
            return await store.on(handlers)

        agent = StorageClient(storage)
        session: Session = {"id": "s1", "createdAt": 1}
        await agent.session.set("s1", session)
        found = await agent.session.get("s1")
        assert_type(found, Session | None)
        assert found == session
        assert_type(await agent.message.list_by_session("s1"), list[Message])
