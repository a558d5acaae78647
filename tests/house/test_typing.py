"""How users write it, as type checkers see it: this file is part of the checked tree, and it runs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, assert_type

import pytest

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
from storescope.conformance import CASES, ConformanceTests
from storescope.middleware import AuditLog, audit, metrics, timeout, tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from storescope import Handler


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


class Plain(ConformanceTests):
    promises = True

    def open(self) -> dict[str, Handler]:
        async def get(*, id: str) -> None: ...

        return {"session.get": get}


class Awaited(ConformanceTests):
    async def open(self) -> Handlers:
        return await open_backend("memory:")


class Entered(ConformanceTests):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Handlers]:
        async with open_backend("memory:") as backend:
            yield backend


class Opening(ConformanceTests):
    def open(self) -> AbstractAsyncContextManager[Handlers]:
        return open_backend("memory:")


@pytest.mark.parametrize("tests", [Plain, Awaited, Entered, Opening])
def test_how_users_open_their_map_for_pytest(tests: type[ConformanceTests]) -> None:
    tests().test_conforms(CASES[0])
