"""Stands before every request: whom it lets in, and what a browser may do with the answers.

The viewer listens on the loopback only, but any web page may send requests there, and a name of its own may be
made to lead there. So the Host must be the loopback's, and a request that says from which page it comes must come
from ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from storescope.apps._loopback import HOSTS, host_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Door:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer 403; put the headers on the answer."""
        if scope["type"] != "http":  # we ask for nothing else
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        why = _refusal(Headers(scope=scope))
        app = self._app if why is None else PlainTextResponse(f"{why}\n", 403)
        await app(scope, receive, send_with_headers)


def _refusal(headers: Headers) -> str | None:
    host = headers.get("host", "")
    if host_of(f"//{host}") not in HOSTS:
        return "ask for 127.0.0.1 or localhost: the viewer answers to no other name"
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return "a page of another origin may not use the viewer"
    return None
