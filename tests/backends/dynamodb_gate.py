"""Stands in front of a server that speaks DynamoDB's protocol, and refuses requests as DynamoDB itself would."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.dynamodb_servers import Dynalite


class Gate:
    """Listens on a port of its own; what it does not refuse it passes on.

    Args:
        upstream: The server; none if everything is refused.
        code: What it refuses with, at first every request.
        message: The text that DynamoDB would send along, which may hold what nobody must see.

    Attributes:
        left: How many of the next requests are refused.
        refused: How many were.
    """

    def __init__(self, upstream: Dynalite | None, code: str, *, message: str = "") -> None:
        self.left = 1_000_000
        self.refused = 0
        self._upstream = upstream
        self._answer = json.dumps({"__type": f"com.amazonaws.dynamodb#{code}", "message": message}).encode()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handle(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self.left:
            self.left -= 1
            self.refused += 1
            return 400, self._answer
        assert self._upstream is not None
        with closing(HTTPConnection("127.0.0.1", self._upstream.port)) as connection:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, data = gate._handle(body, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None: ...

        return Handler
