"""The bridge as one ASGI application, opened and closed with its worker."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from storescope.apps._telemetry import log_to_stderr, opentelemetry_from_environment
from storescope.apps.serve._endpoints import Calls, Endpoint
from storescope.apps.serve._gate import Gate
from storescope.apps.serve._health import FOLDER_VARIABLE, Health
from storescope.apps.serve._openapi import OPENAPI_PATH, document
from storescope.apps.serve._refusal import Answer, Refusal, refused
from storescope.apps.serve._stack import opened
from storescope.apps.serve._tokens import TokenFile
from storescope.apps.serve._worker_metrics import written_down
from storescope.backends._wire import INFO_PATH, JSON, STORAGE_PATH
from storescope.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from types import FrameType

    from starlette.types import Receive, Scope

    from storescope.apps.serve._options import ServeOptions
    from storescope.apps.serve._stack import Stack


def application(options: ServeOptions) -> Starlette:
    """Make it; its lifespan opens the store and closes it. What cannot be opened is one line on stderr."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        log_to_stderr()
        try:
            with opentelemetry_from_environment("storescope-serve", only_exported=True):
                async with opened(options) as stack, _metrics_of_workers():
                    gate = Gate(None if options.tokens is None else TokenFile(options.tokens), options.hosts)
                    health = Health(stack, gate)
                    app.router.routes = bridge_routes(stack, gate, health)
                    _drain_on_sigterm(health, options.drain_seconds)
                    yield
        except StorageError as error:
            click.echo(f"storescope: {error}", err=True)
            raise

    app = Starlette(lifespan=lifespan)
    app.router.redirect_slashes = False
    app.router.default = Endpoint(_nothing_here)
    return app


def _metrics_of_workers() -> AbstractAsyncContextManager[None]:
    folder = os.environ.get(FOLDER_VARIABLE)
    return nullcontext() if folder is None else written_down(Path(folder))


def bridge_routes(stack: Stack, gate: Gate, health: Health) -> list[BaseRoute]:
    """Return what the bridge answers to."""
    calls = Calls(stack.handlers, gate)
    table = {
        ("POST", STORAGE_PATH): calls.one,
        ("POST", f"{STORAGE_PATH}/batch"): calls.batch,
        ("GET", INFO_PATH): health.info,
        ("GET", "/metrics"): health.metrics,
        ("GET", "/healthz"): health.alive,
        ("GET", "/readyz"): health.ready,
        ("GET", OPENAPI_PATH): _openapi,
    }
    return [
        *(Route(path, Endpoint(answer), methods=[method]) for (method, path), answer in table.items()),
        *(Route(path, Endpoint(_other_method(method))) for method, path in table),
    ]


def _other_method(method: str) -> Callable[[Scope, Receive], Awaitable[Answer]]:
    async def answer(scope: Scope, receive: Receive) -> Answer:
        del scope, receive
        return refused(Refusal("no-such-method", f"use {method} here", {"allow": method}))

    return answer


async def _nothing_here(scope: Scope, receive: Receive) -> Answer:
    del scope, receive
    return refused(Refusal("no-such-path", f"the paths are in {OPENAPI_PATH}"))


async def _openapi(scope: Scope, receive: Receive) -> Answer:
    del scope, receive
    return Answer(200, document(), JSON)


def _drain_on_sigterm(health: Health, seconds: float) -> None:
    """Have readiness go first, and serving go on for some time, so that nobody is sent here any more."""
    end = signal.getsignal(signal.SIGTERM)
    if not callable(end):
        return
    loop = asyncio.get_running_loop()

    def drain(number: int, frame: FrameType | None) -> None:
        health.draining = True
        loop.call_soon_threadsafe(loop.call_later, seconds, end, number, frame)

    signal.signal(signal.SIGTERM, drain)
