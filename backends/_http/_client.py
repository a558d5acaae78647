"""One call as a request: context in headers, errors back as what they were, again only where that is safe."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import httpx
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from storescope import OPERATIONS, BackendError, RecordTooLargeError, StorageError, current_context
from storescope.backends._codec import encode
from storescope.backends._http._connect import Served
from storescope.backends._problems import error_of
from storescope.backends._wire import (
    ACTOR,
    ATTEMPT,
    CALL_ID,
    EXACT,
    INFO_PATH,
    MAX_BODY_BYTES,
    REGION,
    STORAGE_PATH,
    TENANT,
    read_json,
    to_header,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope import CallContext
    from storescope.backends._http._connect import HttpOptions
    from storescope.reports import BackendReport

_BACKOFF_SECONDS = 0.05
_MOST_BACKOFF_SECONDS = 2.0
# Failures before anything was sent: a write that met one of these has surely not been applied.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_PROPAGATOR = TraceContextTextMapPropagator()


class Client:
    """Sends calls to one server."""

    def __init__(self, client: httpx.AsyncClient, options: HttpOptions, report: BackendReport) -> None:
        self._client = client
        self._seconds = options.timeout
        self._retries = options.retries
        self._report = report
        self._sending: set[asyncio.Future[httpx.Response]] = set()

    async def ask(self) -> Served:
        """Ask what is served.

        Raises:
            BackendError: If the server cannot be reached, refuses the token or is no bridge.
        """
        try:
            answer = await self._client.get(INFO_PATH)
        except (httpx.HTTPError, OSError) as error:
            raise _failed("the server cannot be reached", error) from None
        if answer.status_code != httpx.codes.OK:
            found = error_of(_body(answer), answer.status_code, params={}, writes=False)
            name = getattr(found, "driver_error", None)
            raise BackendError(str(found), driver_error=name, retryable=found.retryable)
        return Served.read(_body(answer))

    async def call(self, operation: str, params: Mapping[str, Any]) -> Any:
        """Make one call.

        Raises:
            StorageError: What the server's side raised, or a `BackendError` if no answer came.
        """
        body = encode({"op": operation, "params": params})
        if len(body) > MAX_BODY_BYTES:
            raise RecordTooLargeError(f"a request holds {MAX_BODY_BYTES // 2**20} MiB at most")
        writes = OPERATIONS[operation].writes
        headers = _headers(current_context())
        try:
            async with asyncio.timeout(self._seconds):
                return await self._insist(body, headers, params, writes=writes)
        except TimeoutError:
            raise BackendError(
                f"storescope: no answer within {self._seconds:g} s (TimeoutError)",
                driver_error="TimeoutError",
                retryable=True,
                maybe_applied=writes,
            ) from None

    async def _insist(
        self, body: bytes, headers: dict[str, str], params: Mapping[str, Any], *, writes: bool
    ) -> Any:
        """Send until an answer counts, or it is not safe to send again."""
        for attempt in range(1, self._retries + 2):
            headers[ATTEMPT] = str(attempt)
            try:
                return await self._send(body, headers, params, writes=writes)
            except StorageError as error:
                safe = error.retryable and not error.maybe_applied
                if not safe or attempt > self._retries:
                    raise
            self._report.add("retries")
            longest = min(_BACKOFF_SECONDS * 2**attempt, _MOST_BACKOFF_SECONDS)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 (it only spreads callers)
        raise AssertionError("the last attempt returns or raises")

    async def _send(
        self, body: bytes, headers: Mapping[str, str], params: Mapping[str, Any], *, writes: bool
    ) -> Any:
        try:
            answer = await self._post(body, headers)
        except (httpx.HTTPError, OSError) as error:
            raise _failed("the call failed", error, writes=writes) from None
        told = _body(answer)
        if answer.status_code != httpx.codes.OK:
            raise error_of(told, answer.status_code, params=params, writes=writes)
        if not isinstance(told, dict) or "result" not in told:
            raise error_of(None, 502, params=params, writes=writes)  # whoever answered is no bridge
        return told["result"]

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Send a request, and let it end even if the caller is cancelled.

        The server finishes what it has begun in any case, and httpx leaks the socket of a connection that is
        cancelled while it is being made.
        """
        sending = asyncio.ensure_future(self._client.post(STORAGE_PATH, content=body, headers=headers))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        return await asyncio.shield(sending)

    def _sent(self, sending: asyncio.Future[httpx.Response]) -> None:
        self._sending.discard(sending)
        if not sending.cancelled():
            sending.exception()  # the caller may be gone: then nobody else asks for it

    async def aclose(self) -> None:
        """Close the connections, once what is under way has ended, which takes as long as a call at most."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._client.aclose()


def _headers(context: CallContext) -> dict[str, str]:
    """Return what a call carries beside its envelope; each attempt of it has the same call id."""
    headers = {"Content-Type": EXACT, CALL_ID: f"{random.getrandbits(128):032x}"}
    for name, value in ((TENANT, context.tenant), (ACTOR, context.actor), (REGION, context.region)):
        if value is not None:
            headers[name] = to_header(value, name.removeprefix("storescope-"))
    if get_current_span().get_span_context().is_valid:
        _PROPAGATOR.inject(headers)
        return headers
    given = {"traceparent": context.traceparent, "tracestate": context.tracestate}
    # What is not printable ASCII is no trace context, and no header either.
    return headers | {name: text for name, text in given.items() if text and text.isascii() and text.isprintable()}


def _body(answer: httpx.Response) -> Any:
    """Return what came back, parsed; None if it is not JSON."""
    try:
        return read_json(answer.content, exact=answer.headers.get("content-type") == EXACT)
    except StorageError:
        return None


def _failed(what: str, error: Exception, *, writes: bool = False) -> BackendError:
    """Return the error to raise `from None`: texts of httpx may quote what was sent."""
    module = "httpx." if isinstance(error, httpx.HTTPError) else ""
    name = f"{module}{type(error).__name__}"
    return BackendError(
        f"storescope: {what} ({name})",
        driver_error=name,
        retryable=True,
        maybe_applied=writes and not isinstance(error, _UNSENT),
    )
