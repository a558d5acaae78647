"""`wrap`: middleware around a handler map. Everything that can be known before a call is worked out here."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.call import UNKNOWN_BACKEND, BackendInfo, Call, Middleware, Step
from storescope.checks import checker
from storescope.context import current_context
from storescope.contract import Handler, Handlers, Operation, find_operation
from storescope.errors import WrapError

if TYPE_CHECKING:
    from storescope.context import CallContext

_ATTRIBUTE = "__storescope__"
_UNMARKED: tuple[None, None] = (None, None)
Opener: TypeAlias = Callable[[Call], None]
OpenCall: TypeAlias = Callable[[dict[str, Any], "CallContext"], Call]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What `wrap` knows of a handler. It rides on the handler itself, so that a copied dict keeps it.

    Attributes:
        operation: Which operation it handles.
        step: The outermost step.
        layers: The middleware around it, outermost first.
        openers: What the layers decide when a call is opened.
        backend: What it stores to.
        open: Makes a `Call` from keyword arguments and context.
    """

    operation: Operation
    step: Step
    layers: tuple[Middleware, ...]
    openers: tuple[Opener, ...]
    backend: BackendInfo
    open: OpenCall


def _opening(operation: Operation, openers: tuple[Opener, ...]) -> OpenCall:
    """Return what makes a `Call`: it checks the arguments and lets the layers decide what they decide up front."""
    check = checker(operation)

    def open_call(params: dict[str, Any], context: CallContext) -> Call:
        call = Call(operation, params, context)
        check(call)
        if call.refusal is None:
            for opener in openers:
                try:
                    opener(call)
                except Exception as error:  # the observers must see it: the innermost step raises it
                    call.refusal = error
        return call

    return open_call


def wrap(handlers: Handlers, *middleware: Middleware, backend: BackendInfo | None = None) -> Handlers:
    """Put middleware around every handler of a map.

    Args:
        handlers: The map: your own dict, a `Backend`, or what an earlier `wrap` returned. It may be partial.
        *middleware: The first given is the outermost.
        backend: What the handlers store to. A shipped backend brings its own.

    Returns:
        A handler map again: it can be handed to `store.on()`, wrapped, copied into a dict.

    Raises:
        UnsupportedOperationError: If the map has a name that the contract has not.
        WrapError: If a handler cannot be called, a layer is given twice, or an order would hide what it does.
        PolicyError: If a region guard refuses the stack that it is part of.
    """
    if backend is None:
        info: Any = getattr(handlers, "info", None)
        backend = info if isinstance(info, BackendInfo) else None  # a map of the user's may call anything `info`
    inner = {name: _wrapped(handler, find_operation(name), backend) for name, handler in handlers.items()}
    outer = _surround(inner, middleware)
    _check_stacks(outer.values())
    return {name: _entry(wrapped) for name, wrapped in outer.items()}


def steps_of(handlers: Handlers) -> dict[str, Step]:
    """Return the steps of a map: operation name -> the outermost step of its handler."""
    return {name: _wrapped(handler, find_operation(name), None).step for name, handler in handlers.items()}


def originate(layer: Middleware, operations: Iterable[str], backend: BackendInfo) -> Handlers:
    """Make a handler map of a layer with no map inside: one that calls several maps itself, as a router does.

    Args:
        layer: Asked for its steps; the next step that it is given only raises.
        operations: The operations of the map.
        backend: What the map stores to, its members included.

    Returns:
        The map.
    """

    async def nowhere(**params: Any) -> Any:
        raise WrapError(f"there is nothing behind this map to take {', '.join(params)}")

    return wrap(dict.fromkeys(operations, nowhere), layer, backend=backend)


def wrapped_of(handler: Handler) -> Wrapped | None:
    """Return what `wrap` left on a handler; None if it was never wrapped."""
    marked: Handler | None
    wrapped: Wrapped | None
    marked, wrapped = getattr(handler, _ATTRIBUTE, _UNMARKED)
    # `functools.wraps` copies the mark onto a user's decorator, which must run all the same.
    return wrapped if marked is handler else None


def _wrapped(handler: Handler, operation: Operation, backend: BackendInfo | None) -> Wrapped:
    if not callable(handler):
        raise WrapError(f"the handler of {operation.name!r} cannot be called; it is a {type(handler).__name__}")
    known = wrapped_of(handler)
    if known is None:
        return Wrapped(operation, innermost(handler), (), (), backend or UNKNOWN_BACKEND, _opening(operation, ()))
    if known.operation is not operation:
        raise WrapError(f"{operation.name!r} was given the handler of {known.operation.name!r}")
    if backend is None or backend == known.backend:
        return known
    return replace(known, backend=backend)


def innermost(handler: Handler) -> Step:
    """Return the last step: it turns a `Call` back into keyword arguments for the handler."""
    if _is_async(handler):
        run = handler
    else:
        from asyncio import to_thread  # noqa: PLC0415 (half of what `import storescope` took)

        async def run(**params: Any) -> Any:
            result = await to_thread(_call_plain, handler, params)
            return await result if inspect.isawaitable(result) else result

    # Not a coroutine of its own, which would cost one more for every call: it is awaited where it is called.
    def step(call: Call) -> Awaitable[Any]:
        if call.refusal is not None:
            raise call.refusal
        return run(**call.params)  # type: ignore[no-any-return] # a handler's results are the agent's own

    return step


def _call_plain(handler: Handler, params: dict[str, Any]) -> Any:
    """Call a plain `def`. A `next()` that found nothing must not get into a future, which would wait forever."""
    try:
        return handler(**params)
    except StopIteration as error:
        raise RuntimeError("handler raised StopIteration") from error  # as a coroutine does


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 (is its class's call async?)
    )


def _surround(inner: dict[str, Wrapped], middleware: tuple[Middleware, ...]) -> dict[str, Wrapped]:
    """Put the layers around every handler, one layer after the other, the innermost first."""
    steps = {name: wrapped.step for name, wrapped in inner.items()}
    for layer in middleware:
        at_handler = getattr(layer, "at_handler", None)
        if at_handler is not None:
            steps = {name: at_handler(steps[name], inner[name].operation, inner[name].backend) for name in inner}
    for layer in reversed(middleware):
        ask = _asker(layer, inner, steps)
        steps = {name: ask(name)(steps[name], inner[name].operation, inner[name].backend) for name in inner}
    return {name: _surrounded(wrapped, steps[name], middleware) for name, wrapped in inner.items()}


def _asker(layer: Middleware, inner: dict[str, Wrapped], steps: dict[str, Step]) -> Callable[[str], Middleware]:
    """Return what says whom to ask for an operation's step: the layer, or what it binds to the map."""
    bind = getattr(layer, "bind", None)
    if bind is None:
        return lambda _: layer
    bound: dict[BackendInfo, Middleware] = {}
    for backend in dict.fromkeys(wrapped.backend for wrapped in inner.values()):
        bound[backend] = bind({name: steps[name] for name in inner if inner[name].backend == backend}, backend)
    return lambda name: bound[inner[name].backend]


def _surrounded(wrapped: Wrapped, step: Step, middleware: tuple[Middleware, ...]) -> Wrapped:
    operation, backend = wrapped.operation, wrapped.backend
    hooks = [getattr(layer, "on_open", None) for layer in middleware]
    openers = (*(hook(operation, backend) for hook in hooks if hook is not None), *wrapped.openers)
    layers = (*middleware, *wrapped.layers)
    return Wrapped(operation, step, layers, openers, backend, _opening(operation, openers))


def _check_stacks(stacks: Iterable[Wrapped]) -> None:
    """Check every distinct stack once, and let its layers check it too."""
    seen: list[tuple[BackendInfo, tuple[Middleware, ...]]] = []
    for wrapped in stacks:
        stack = (wrapped.backend, wrapped.layers)
        if stack not in seen:
            seen.append(stack)
    for info, layers in seen:
        _check_order(layers)
        for layer in layers:
            on_wrap = getattr(layer, "on_wrap", None)
            if on_wrap is not None:
                on_wrap(info, layers)


def _check_order(layers: tuple[Middleware, ...]) -> None:
    names = [getattr(layer, "layer", None) for layer in layers]
    for position, layer in enumerate(layers):
        name, within = names[position], names[position + 1 :]
        if name is not None and name in within:
            raise WrapError(f"the layer {name!r} is given twice; once around a handler is enough")
        for other in within:
            if other in getattr(layer, "inside", ()):
                raise WrapError(
                    f"{name} stands outside {other}, which would hide what it refuses; give {other} before {name}"
                )


def _entry(wrapped: Wrapped) -> Handler:
    """Return the handler that callers see: it opens the `Call` and sends it through the steps."""
    handler = _ENTRIES[wrapped.operation.params](wrapped.step, wrapped.open)
    handler.__name__ = handler.__qualname__ = wrapped.operation.name
    setattr(handler, _ATTRIBUTE, (handler, wrapped))
    return handler


# One entry for each signature of the contract, whose own word `id` shadows a builtin.


def _enter_get(step: Step, open_call: OpenCall) -> Handler:
    async def handler(*, id: str) -> Any:
        return await step(open_call({"id": id}, current_context()))

    return handler


def _enter_set(step: Step, open_call: OpenCall) -> Handler:
    async def handler(*, id: str, value: Any) -> Any:
        return await step(open_call({"id": id, "value": value}, current_context()))

    return handler


def _enter_update(step: Step, open_call: OpenCall) -> Handler:
    async def handler(*, id: str, updates: Any) -> Any:
        return await step(open_call({"id": id, "updates": updates}, current_context()))

    return handler


def _enter_list(step: Step, open_call: OpenCall) -> Handler:
    async def handler(*, session_id: str) -> Any:
        return await step(open_call({"session_id": session_id}, current_context()))

    return handler


_ENTRIES: dict[tuple[str, ...], Callable[[Step, OpenCall], Handler]] = {
    ("id",): _enter_get,
    ("id", "value"): _enter_set,
    ("id", "updates"): _enter_update,
    ("session_id",): _enter_list,
}
