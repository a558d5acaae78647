"""A local HTTP server that answers as DynamoDB does, for one table in a dict; unlike moto it starts at once."""

from __future__ import annotations

import json
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiobotocore.session import get_session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


@contextmanager
def dynamodb(items: dict[str, Any]) -> Generator[str]:
    """Serve GetItem, PutItem and BatchGetItem on `items`, by the key `pk`; yield the endpoint's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            target = self.headers["X-Amz-Target"].rpartition(".")[2]
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if target == "PutItem" and "ConditionExpression" in asked:
                self.answer(
                    400,
                    {
                        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                        "message": str(asked),
                    },
                )
            elif target == "PutItem":
                items[asked["Item"]["pk"]["S"]] = asked["Item"]
                self.answer(200, {})
            elif target == "GetItem":
                found = items.get(asked["Key"]["pk"]["S"])
                self.answer(200, {"Item": found} if found else {})
            else:
                self.answer(200, {"Responses": {}})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("x-amzn-RequestId", "r1")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def client(endpoint: str, service: str = "dynamodb") -> AsyncGenerator[Any]:
    """Open an aiobotocore client of it."""
    session: Any = get_session()  # its stubs know each service by a literal
    made = session.create_client(
        service,
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    async with made as opened:
        yield opened
