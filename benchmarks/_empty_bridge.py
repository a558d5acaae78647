"""An empty Starlette endpoint that parses a request and returns a record: what the bridge is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from storescope.apps.serve._server import bind

if TYPE_CHECKING:
    from starlette.requests import Request

RECORD: dict[str, Any] = {"id": "s1", "title": "x" * 1_000, "createdAt": 1_700_000_000, "tags": ["a", "b"]}


async def endpoint(request: Request) -> JSONResponse:
    """Parse, and answer what the bridge would."""
    envelope = await request.json()
    return JSONResponse({"result": RECORD if envelope["op"] == "session.get" else None})


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/storage", endpoint, methods=["POST"])])
    bound = bind("127.0.0.1", 0)
    print(f"http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, http="h11", loop="asyncio", ws="none", log_level="critical", access_log=False)
    uvicorn.Server(config).run([bound])
