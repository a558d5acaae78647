"""Storage calls that really run through the middleware, and the metrics that they leave, served over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, start_http_server

from storescope import BackendInfo, RecordNotFoundError, Store, TenantRequiredError, wrap
from storescope.middleware import metrics, tracing

if TYPE_CHECKING:
    from collections.abc import Generator

    from storescope import Handlers

BACKEND = BackendInfo(system="redis", name="sessions", region="aws:eu-west-1")


def handlers() -> Handlers:
    """Return a small store in which every outcome can be had."""
    records: dict[str, dict[str, Any]] = {}

    async def get(*, id: str) -> Any:
        return records.get(id)

    async def put(*, id: str, value: dict[str, Any]) -> None:
        records[id] = value

    async def update(*, id: str, updates: dict[str, Any]) -> Any:
        if id not in records:
            raise RecordNotFoundError("session", id)
        return records[id] | updates

    async def list_by_session(*, session_id: str) -> list[Any]:
        return [record for record in records.values() if record.get("sessionId") == session_id]

    async def fail(*, id: str) -> Any:
        raise ConnectionResetError(id)

    async def deny(*, id: str) -> Any:
        del id
        raise TenantRequiredError("no tenant")

    async def hang(*, id: str) -> Any:
        del id
        await asyncio.Event().wait()

    return {
        "session.get": get,
        "session.set": put,
        "session.update": update,
        "message.set": put,
        "message.listBySession": list_by_session,
        "part.get": fail,
        "sandbox.get": deny,
        "setup.get": hang,
    }


async def one_round(wrapped: Handlers) -> None:
    """Make one call of every outcome."""
    message = {"id": "m1", "sessionId": "s1"}
    await Store("session.set", {"id": "s1", "value": {"id": "s1"}}).on(wrapped)
    await Store("session.get", {"id": "s1"}).on(wrapped)
    await Store("session.update", {"id": "s1", "updates": {"lastMessageId": "m1"}}).on(wrapped)
    await Store("message.set", {"id": "m1", "value": message}).on(wrapped)
    await Store("message.listBySession", {"session_id": "s1"}).on(wrapped)
    with suppress(RecordNotFoundError):
        await Store("session.update", {"id": "nobody", "updates": {}}).on(wrapped)
    with suppress(ConnectionResetError):
        await Store("part.get", {"id": "p1"}).on(wrapped)
    with suppress(TenantRequiredError):
        await Store("sandbox.get", {"id": "b1"}).on(wrapped)
    with suppress(TimeoutError):
        await asyncio.wait_for(Store("setup.get", {"id": "u1"}).on(wrapped), timeout=0.01)


def wrapped_on(registry: CollectorRegistry) -> Handlers:
    """Return the store under tracing, which samples every call, and metrics."""
    layers = (tracing(tracer_provider=TracerProvider()), metrics(registry=registry))
    return wrap(handlers(), *layers, backend=BACKEND)


@contextmanager
def serving(registry: CollectorRegistry) -> Generator[int]:
    """Serve a registry on 127.0.0.1, in OpenMetrics to whoever accepts it; yields the port."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
