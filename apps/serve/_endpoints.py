"""`POST /v1/storage` and `/v1/storage/batch`: from a request to calls of the wrapped map, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope import InvalidRecordError, StorageError, Store
from storescope.apps.serve._body import Bodies
from storescope.apps.serve._gate import headers_of, refuse_ambiguous
from storescope.apps.serve._rate import RateLimits
from storescope.apps.serve._refusal import Answer, Refusal, failed, refused
from storescope.apps.serve._span import request_span
from storescope.backends._codec import encode
from storescope.backends._problems import problem_of
from storescope.backends._wire import EXACT, JSON, read_json
from storescope.middleware._log import tell_seldom

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from storescope import Handlers
    from storescope.apps.serve._gate import Caller, Gate

MOST_CALLS = 100
"""Of one batch."""


class Endpoint:
    """An ASGI application that answers every request that it gets, whatever goes wrong."""

    def __init__(self, answer: Callable[[Scope, Receive], Awaitable[Answer]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            refuse_ambiguous(scope)
            answer = await self._answer(scope, receive)
        except Refusal as refusal:
            answer = refused(refusal)
        except StorageError as error:
            answer = failed(error)
        except Exception as error:
            answer = refused(_internal(error))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})


class Calls:
    """Makes the calls that requests ask for."""

    def __init__(self, handlers: Handlers, gate: Gate) -> None:
        self._handlers = handlers
        self._gate = gate
        self._bodies = Bodies()
        self._limits = RateLimits()

    async def one(self, scope: Scope, receive: Receive) -> Answer:
        """Make one call."""
        headers = headers_of(scope)
        caller = self._gate.admit(headers)
        with request_span(scope, caller.context), self._bodies.room() as room:
            body, exact = await room.read(receive, headers)
            store = _envelope(_parsed(body, exact=exact), caller)
            self._limits.spend(caller.grant, 1)
            return _ok({"result": await store.on(self._handlers)}, exact=exact)

    async def batch(self, scope: Scope, receive: Receive) -> Answer:
        """Make calls one after the other, up to the first that fails. None is made if one may not be."""
        headers = headers_of(scope)
        caller = self._gate.admit(headers)
        with request_span(scope, caller.context), self._bodies.room() as room:
            body, exact = await room.read(receive, headers)
            stores = [_envelope(each, caller) for each in _calls(_parsed(body, exact=exact))]
            self._limits.spend(caller.grant, len(stores))
            return _ok({"results": await self._in_order(stores)}, exact=exact)

    async def _in_order(self, stores: list[Store]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for store in stores:
            try:
                results.append({"result": await store.on(self._handlers)})
            except StorageError as error:
                results.append({"problem": problem_of(error)})
                break
            except Exception as error:
                results.append({"problem": _internal(error).problem()})
                break
        return results


def _parsed(body: bytes, *, exact: bool) -> Any:
    try:
        return read_json(body, exact=exact)
    except InvalidRecordError as error:
        raise Refusal("malformed", str(error)) from None


def _envelope(found: Any, caller: Caller) -> Store:
    """Read an envelope for this caller.

    Raises:
        Refusal: If it is not one, brings a context of its own, or is not granted.
        UnsupportedOperationError: If there is no such operation.
    """
    if isinstance(found, dict) and "context" in found:
        raise Refusal(
            "malformed",
            "the envelope must not hold a context: tenant, actor and region come as headers, Storescope-Tenant",
        )
    try:
        store = Store.from_dict(found)
    except InvalidRecordError as error:
        raise Refusal("malformed", str(error)) from None
    caller.require(store.operation)
    store.context = caller.context
    return store


def _calls(found: Any) -> list[Any]:
    calls = found.get("calls") if isinstance(found, dict) and set(found) == {"calls"} else None
    if not isinstance(calls, list) or not 1 <= len(calls) <= MOST_CALLS:
        raise Refusal("malformed", f"a batch is an object with calls, a list of 1 to {MOST_CALLS} envelopes")
    return calls


def _ok(value: Any, *, exact: bool) -> Answer:
    return Answer(200, encode(value), EXACT if exact else JSON)


def _internal(error: Exception) -> Refusal:
    """Return the refusal for what no class of ours says. Its text stays out: it may hold record content."""
    tell_seldom("error", "storescope.serve.handler_failed", error_type=type(error).__qualname__)
    return Refusal("internal", f"the handler raised {type(error).__qualname__}", maybe_applied=True)
