"""The OTLP/HTTP receiver: `POST /v1/traces`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from storescope._extras import require_extra
from storescope.apps.view._limits import MOST_BODY_BYTES, RefusedError, read_body
from storescope.apps.view._otlp import decode
from storescope.apps.view._schema import ViewError
from storescope.apps.view._store import BusyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.message import Message
    from starlette.requests import Request

    from storescope.apps.view._store import SpanStore

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_MOST_DRAINED_BYTES = 4 * MOST_BODY_BYTES
_BODY_SECONDS, _DRAIN_SECONDS = 30, 5
_AT_ONCE = 4  # requests in memory: each may hold 16 MiB, and many times that while it is decoded
_STATUS: Any = require_extra("google.rpc.status_pb2", extra="view").Status  # it says nothing of its types
_RPC_CODES = {400: 3, 408: 4, 413: 8, 415: 3, 503: 14, 500: 13}  # google.rpc.Code


class Receiver:
    """Takes spans in."""

    def __init__(self, store: SpanStore) -> None:
        self._store = store
        self._room = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[Route]:
        """Return where it receives."""
        return [
            Route("/v1/traces", self._guarded(self._traces), methods=["POST"]),
            Route("/v1/metrics", self._guarded(_passing_over(ExportMetricsServiceResponse)), methods=["POST"]),
            Route("/v1/logs", self._guarded(_passing_over(ExportLogsServiceResponse)), methods=["POST"]),
        ]

    async def _traces(self, body: bytes, *, is_json: bool) -> Message:
        decoded = await run_in_threadpool(decode, body, is_json=is_json)
        if decoded.spans:
            try:
                await asyncio.wrap_future(self._store.add(decoded.spans))
            except BusyError:
                raise RefusedError(503, "more is being sent than can be stored; send it again") from None
            except ViewError as error:
                raise RefusedError(500, str(error)) from None
        answer = ExportTraceServiceResponse()
        if decoded.rejected:
            answer.partial_success.rejected_spans = decoded.rejected
            answer.partial_success.error_message = decoded.why
        return answer

    def _guarded(self, take: Callable[..., Awaitable[Message]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            is_json = kind == JSON
            try:
                _check(kind, request.headers.get("content-length", "0"))
                async with self._room:
                    body = await _read(request)
                    return _answer(await take(body, is_json=is_json), 200, is_json=is_json)
            except RefusedError as refused:
                await _let_finish(request)
                status = _STATUS(code=_RPC_CODES[refused.status], message=str(refused))
                return _answer(status, refused.status, is_json=is_json)

        return endpoint


async def _let_finish(request: Request) -> None:
    """Read on, within bounds: who is still sending when the connection is closed never sees the answer."""
    left = _MOST_DRAINED_BYTES
    # RuntimeError: it was read to its end.
    with suppress(ClientDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return


async def _read(request: Request) -> bytes:
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await read_body(request.stream(), request.headers.get("content-encoding", ""))
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {_BODY_SECONDS} s") from None
    except ClientDisconnect:
        raise RefusedError(400, "the sender went away") from None  # nobody reads it


def _check(kind: str, announced: str) -> None:
    if kind not in {JSON, PROTOBUF}:
        raise RefusedError(415, f"Content-Type must be {PROTOBUF} or {JSON}, not {kind[:60]!a}")
    if announced.isdecimal() and int(announced) > MOST_BODY_BYTES:
        raise RefusedError(413, f"a request may hold {MOST_BODY_BYTES // 1024 // 1024} MiB")


def _passing_over(answer_type: Callable[[], Any]) -> Callable[..., Awaitable[Message]]:
    """Return what answers to metrics and logs, which one endpoint for all of OTLP brings along."""

    async def take(body: bytes, *, is_json: bool) -> Message:
        del body, is_json
        answer = answer_type()
        answer.partial_success.error_message = "storescope view keeps traces only"
        return answer  # type: ignore[no-any-return] # one of protobuf's generated messages

    return take


def _answer(message: Message, status: int, *, is_json: bool) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else None  # noqa: PLR2004 (the status says it)
    if is_json:
        return JSONResponse(MessageToDict(message), status, headers)
    return Response(message.SerializeToString(), status, headers, media_type=PROTOBUF)
