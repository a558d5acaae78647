"""The example app of `dashboards/compose`: agents that work without haste, under all four middlewares.

`python -m storescope.apps.example FOLDER --host 0.0.0.0 --port 9464` keeps store, keys and audit log in FOLDER.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from storescope import Handlers, StorageClient, Store

REGION = "aws:eu-west-1"
POLICY = {
    "schema": "residency/1",
    "version": "1",
    "mode": "enforce",
    "min_confidence": "declared",
    "regions": {"eu": [REGION]},
    "tenants": {"acme": "eu-only"},
    "rules": {"eu-only": {"store": ["eu"], "access": ["eu"], "home": REGION}},
}
STRANGER_EVERY = 100
"""One session in so many is for a tenant that the policy does not know: it is denied."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the metrics listen.")
@click.option("--port", default=9464, show_default=True, type=click.IntRange(0, 65_535), help="Their port.")
@click.option(
    "--pause", default=1.0, show_default=True, type=click.FloatRange(0), help="Seconds between sessions."
)
@click.option("--sessions", default=0, type=click.IntRange(0), help="After how many to end; 0 for never.")
def main(folder: Path, host: str, port: int, pause: float, sessions: int) -> None:
    """Work as an agent does, session after session, and serve metrics."""
    from prometheus_client import start_http_server

    from storescope.apps._telemetry import log_to_stderr, opentelemetry_from_environment

    log_to_stderr()
    server, thread = start_http_server(port, addr=host)
    click.echo(f"metrics on http://{host}:{server.server_port}/metrics", err=True)
    try:
        with opentelemetry_from_environment("storescope-example") as provider:
            asyncio.run(_work(folder, pause, sessions, provider))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _work(folder: Path, pause: float, sessions: int, provider: TracerProvider) -> None:
    from storescope import ResidencyError, StorageClient, call_context, wrap
    from storescope.backends import open_backend
    from storescope.middleware import AuditLog, ResidencyPolicy, audit, metrics, region_guard, tracing

    guard = region_guard(ResidencyPolicy.from_dict(POLICY), caller_region=REGION)
    backend = await open_backend(f"local:{folder / 'store'}", region=REGION)
    async with backend, AuditLog.open(folder / "audit", retain_days=7) as log:
        handlers = wrap(backend, tracing(tracer_provider=provider), metrics(), audit(log), guard)
        client = StorageClient(_storage(handlers))
        count = 0
        while not sessions or count < sessions:
            count += 1
            with call_context(tenant="acme" if count % STRANGER_EVERY else "stranger", actor="example"):
                try:
                    await _session(client)
                except ResidencyError as error:
                    click.echo(f"denied: {error}", err=True)
            await asyncio.sleep(pause)


def _storage(handlers: Handlers) -> Any:
    async def storage(store: Store) -> Any:
        return await store.on(handlers)

    return storage


async def _session(client: StorageClient) -> None:
    """Store a question and an answer, as an agent does, and read them."""
    session = uuid4().hex
    await client.session.set(session, {"id": session})
    for role in ("user", "assistant"):
        message, part = uuid4().hex, uuid4().hex
        await client.message.set(message, {"id": message, "sessionId": session, "role": role})
        await client.part.set(part, {"id": part, "sessionId": session, "messageId": message, "text": "Hello."})
        await client.session.update(session, {"lastMessageId": message})
    await client.session.get(session)
    await client.message.list_by_session(session)
    await client.part.list_by_session(session)


if __name__ == "__main__":
    main()
