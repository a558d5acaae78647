"""The page: one HTML file for all addresses, its script and style, and the export of a trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from storescope.apps.view._export import export
from storescope.apps.view._limits import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

    from storescope.apps.view._api import Api

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


class Pages:
    """Serves them; the files are read once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._files = {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.suffix in _TYPES}

    def routes(self) -> list[Route]:
        """Return where they are."""
        return [
            Route("/", self._page),
            Route("/charts", self._page),
            Route("/trace/{trace_id}", self._page),
            Route("/trace/{trace_id}/export", self._export),
            Route("/session/{session:path}", self._page),
            Route("/static/{name}", self._static),
        ]

    async def _page(self, _: Request) -> Response:
        return self._file("index.html")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        return self._file(name) if name in self._files else PlainTextResponse("there is no such file\n", 404)

    def _file(self, name: str) -> Response:
        return Response(self._files[name], media_type=_TYPES[Path(name).suffix])

    async def _export(self, request: Request) -> Response:
        try:
            found = await run_in_threadpool(self._api.whole_trace, request.path_params["trace_id"])
        except RefusedError as refused:
            return PlainTextResponse(f"{refused}\n", refused.status)
        name = f"trace-{found['trace_id'][:16]}.html"
        return Response(
            await run_in_threadpool(export, found, self._files["export.css"].decode()),
            media_type="text/html",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
