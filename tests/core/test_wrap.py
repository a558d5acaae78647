"""`wrap`: any map goes in, a map comes out, and mistakes are named before the first call."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from storescope import (
    OPERATIONS,
    BackendInfo,
    Call,
    Handlers,
    InvalidRecordError,
    StorageClient,
    Store,
    UnsupportedOperationError,
    WrapError,
    call_context,
    wrap,
)
from storescope.compose import wrapped_of

if TYPE_CHECKING:
    from storescope import Middleware, Operation, Step

BACKEND = BackendInfo("memory", name="own", region="aws:eu-west-1")
ROWS = {"s1": {"id": "s1"}}


async def coroutine_get(*, id: str) -> Any:
    return ROWS.get(id)


def plain_get(*, id: str) -> Any:
    assert threading.current_thread() is not threading.main_thread()
    return ROWS.get(id)


def passing_on(**params: Any) -> Any:
    return coroutine_get(**params)


class Gets:
    async def __call__(self, *, id: str) -> Any:
        return ROWS.get(id)


async def get_from(rows: dict[str, Any], *, id: str) -> Any:
    return rows.get(id)


@pytest.mark.parametrize(
    "get",
    [
        coroutine_get,
        plain_get,
        passing_on,
        Gets(),
        functools.partial(get_from, ROWS),
    ],
    ids=["async def", "def", "def that returns an awaitable", "callable object", "partial"],
)
async def test_every_kind_of_handler_works(get: Any) -> None:
    for handlers in ({"session.get": get}, wrap({"session.get": get})):
        assert await Store("session.get", {"id": "s1"}).on(handlers) == {"id": "s1"}
        assert await Store("session.get", {"id": "s2"}).on(handlers) is None


def noting(name: str, notes: list[str]) -> Middleware:
    def middleware(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        notes.append(f"made {name} for {operation.name} on {backend.label}")

        async def step(call: Call) -> Any:
            notes.append(name)
            return await next_step(call)

        return step

    return middleware


async def test_the_first_given_is_the_outermost_and_each_is_asked_once() -> None:
    notes: list[str] = []
    inner = wrap({"session.get": coroutine_get}, noting("c", notes), backend=BACKEND)
    outer = wrap(dict(inner), noting("a", notes), noting("b", notes))
    assert notes == [f"made {name} for session.get on own" for name in "cba"]
    notes.clear()
    await outer["session.get"](id="s1")
    await StorageClient(lambda store: store.on(dict(outer))).session.get("s1")
    assert notes == ["a", "b", "c"] * 2


async def test_a_nested_wrap_shares_one_call() -> None:
    seen: list[Call] = []

    def keep(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        def step(call: Call) -> Any:
            seen.append(call)
            return next_step(call)

        return step

    handlers = wrap(wrap({"session.get": coroutine_get}, keep), keep)
    await handlers["session.get"](id="s1")
    assert seen[0] is seen[1]


async def test_the_five_lines_of_the_docs() -> None:
    calls: Counter[str] = Counter()

    def count_calls(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        name = operation.name

        async def step(call: Call) -> Any:
            calls[name] += 1
            return await next_step(call)

        return step

    handlers = wrap({"session.get": coroutine_get}, count_calls)
    await handlers["session.get"](id="s1")
    assert calls == {"session.get": 1}


def test_an_unknown_name_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"'session.gett'; the nearest is 'session.get'"):
        wrap({"session.gett": coroutine_get})
    with pytest.raises(UnsupportedOperationError, match=r"message.listBySession"):
        wrap({"message.list_by_session": coroutine_get})


def test_an_unknown_name_is_shown_in_part_however_long_it_is() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"nearest is 'session\.get'") as refused:
        wrap({"session.get" + "x" * 1_000_000: coroutine_get})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("wrong", [None, "secret", {}])
def test_a_handler_that_cannot_be_called_is_refused_at_wrap(wrong: Any) -> None:
    with pytest.raises(WrapError, match=r"the handler of 'setup.get' cannot be called; it is a ") as refused:
        wrap({"session.get": coroutine_get, "setup.get": wrong})
    assert "secret" not in str(refused.value)


class MapWithInfo(dict[str, Any]):
    """A map of a user's own, with an attribute that shipped backends have too."""

    def __init__(self, info: Any) -> None:
        super().__init__({"session.get": coroutine_get})
        self.info = info


def test_a_backend_brings_its_own_info_and_is_overruled_by_the_argument() -> None:
    def backend_of(handlers: Handlers) -> BackendInfo:
        wrapped = wrapped_of(handlers["session.get"])
        assert wrapped is not None
        return wrapped.backend

    other = BackendInfo("redis")
    assert backend_of(wrap(MapWithInfo(BACKEND))) is BACKEND
    assert backend_of(wrap(MapWithInfo(BACKEND), backend=other)) is other
    assert backend_of(wrap(MapWithInfo(print))).system == "unknown"  # it means something else by it


async def test_a_missing_handler_names_what_is_there() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"no handler for setup.get; the map has session.get"):
        await Store("setup.get", {"id": "x"}).on(wrap({"session.get": coroutine_get}))
    with pytest.raises(UnsupportedOperationError, match="the map has nothing"):
        await Store("setup.get", {"id": "x"}).on({})


def test_a_handler_under_another_operations_name_is_refused() -> None:
    handlers = wrap({"session.get": coroutine_get})
    with pytest.raises(WrapError, match=r"'setup.get' was given the handler of 'session.get'"):
        wrap({"setup.get": handlers["session.get"]})


class Layer:
    """A layer with a name that lets everything through."""

    def __init__(self, name: str, inside: frozenset[str] = frozenset()) -> None:
        self.layer, self.inside = name, inside
        self.stacks: list[tuple[BackendInfo, tuple[str, ...]]] = []

    def on_wrap(self, info: BackendInfo, layers: tuple[Any, ...]) -> None:
        self.stacks.append((info, tuple(layer.layer for layer in layers)))

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        return next_step


def test_a_layer_twice_is_refused_also_through_nested_wraps() -> None:
    handlers = {"session.get": coroutine_get}
    with pytest.raises(WrapError, match="the layer 'metrics' is given twice"):
        wrap(handlers, Layer("metrics"), Layer("metrics"))
    inner = wrap(handlers, Layer("metrics"))
    with pytest.raises(WrapError, match="the layer 'metrics' is given twice"):
        wrap(inner, Layer("metrics"))


def test_an_order_that_hides_something_is_refused_by_name() -> None:
    handlers = {"session.get": coroutine_get}
    guard, audit = Layer("guard", frozenset({"audit"})), Layer("audit")
    with pytest.raises(
        WrapError, match="guard stands outside audit, which would hide what it refuses; give audit before guard"
    ):
        wrap(handlers, guard, audit)
    wrap(handlers, audit, guard)


def test_each_stack_is_shown_once_to_each_of_its_layers() -> None:
    inner_layer, outer_layer = Layer("inner"), Layer("outer")
    handlers: Handlers = {"session.get": coroutine_get, "setup.get": coroutine_get}
    inner = wrap(handlers, inner_layer, backend=BACKEND)
    wrap(inner, outer_layer)
    assert inner_layer.stacks == [(BACKEND, ("inner",)), (BACKEND, ("outer", "inner"))]
    assert outer_layer.stacks == [(BACKEND, ("outer", "inner"))]


def test_what_wrap_knows_rides_on_the_handler() -> None:
    handlers = wrap({"session.get": coroutine_get}, backend=BACKEND)
    wrapped = wrapped_of(dict(handlers)["session.get"])
    assert wrapped is not None
    assert (wrapped.backend, wrapped.operation) == (BACKEND, OPERATIONS["session.get"])
    other = BackendInfo("redis")
    renamed = wrapped_of(wrap(handlers, backend=other)["session.get"])
    assert renamed is not None
    assert renamed.backend is other
    unknown = wrapped_of(wrap({"session.get": coroutine_get})["session.get"])
    assert unknown is not None
    assert unknown.backend.system == "unknown"
    assert handlers["session.get"].__name__ == "session.get"


class Decides:
    """A layer that decides when a call is opened."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.opened: list[str] = []

    def on_open(self, operation: Operation, backend: BackendInfo) -> Any:
        def open_call(call: Call) -> None:
            self.opened.append(operation.name)
            if self.error:
                raise self.error

        return open_call

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        return next_step


async def test_what_is_decided_up_front_is_decided_before_any_step() -> None:
    decides, notes = Decides(), list[str]()

    def look(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        def step(call: Call) -> Any:
            notes.append(f"step after {decides.opened}")
            return next_step(call)

        return step

    handlers = wrap(wrap({"session.get": coroutine_get}, decides), look)
    await handlers["session.get"](id="s1")
    assert notes == ["step after ['session.get']"]
    with pytest.raises(InvalidRecordError):
        await handlers["session.get"](id="")
    assert decides.opened == ["session.get"]  # nothing is decided of a refused call


async def test_an_opener_that_raises_is_seen_by_every_step_and_raised_at_the_end() -> None:
    error, notes = RuntimeError("no"), list[str]()

    async def handler(*, id: str) -> None:
        pytest.fail("the handler was called")

    handlers = wrap({"session.get": handler}, noting("seen", notes), Decides(error))
    with pytest.raises(RuntimeError) as raised:
        await handlers["session.get"](id="s1")
    assert raised.value is error
    assert notes[-1] == "seen"


NO_IDS: list[Any] = ["", None, 1, []]
NO_DICTS: list[Any] = [[], None, "x", 7]
WRONG: list[tuple[str, dict[str, Any], str]] = [
    *(("session.get", {"id": wrong}, "id must be") for wrong in NO_IDS),
    *(("part.get", {"id": wrong}, "id must be") for wrong in NO_IDS),
    *(("setup.set", {"id": wrong, "value": {}}, "id must be") for wrong in NO_IDS),
    *(("session.set", {"id": "s1", "value": wrong}, "value must be a dict") for wrong in NO_DICTS),
    *(("session.update", {"id": "s1", "updates": wrong}, "updates must be a dict") for wrong in NO_DICTS),
    ("session.set", {"id": "s1", "value": {"id": "s2"}}, "value['id'] must equal id"),
    ("session.set", {"id": "s1", "value": {"id": None}}, "value['id'] must equal id"),
    ("session.update", {"id": "s1", "updates": {"id": "s2"}}, "updates['id'] must equal id"),
    ("message.set", {"id": "m1", "value": {}}, "value['sessionId'] must be"),
    ("part.set", {"id": "p1", "value": {"messageId": "m1"}}, "value['sessionId'] must be"),
    *(("message.set", {"id": "m1", "value": {"sessionId": wrong}}, "value['sessionId']") for wrong in NO_IDS),
    *(
        ("message.update", {"id": "m1", "updates": {"sessionId": wrong}}, "updates['sessionId']")
        for wrong in NO_IDS
    ),
    *(("message.listBySession", {"session_id": wrong}, "session_id must be") for wrong in NO_IDS),
    *(("part.listBySession", {"session_id": wrong}, "session_id must be") for wrong in NO_IDS),
]


@pytest.mark.parametrize(("operation", "params", "says"), WRONG, ids=str)
async def test_a_refused_input_reaches_no_handler(operation: str, params: dict[str, Any], says: str) -> None:
    async def handler(**_: Any) -> None:
        pytest.fail("the handler was called")

    bare: Handlers = {operation: handler}
    for call in (
        Store(operation, params).on(bare),
        Store(operation, params).on(wrap(bare)),
        wrap(bare)[operation](**params),
    ):
        with pytest.raises(InvalidRecordError) as refused:
            await call
        assert str(refused.value).startswith(f"{operation}: ")
        assert says in str(refused.value)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("session.set", {"id": "s1", "value": {"id": "s1", "anything": [1]}}),
        ("message.set", {"id": "m1", "value": {"sessionId": "s1"}}),
        ("message.update", {"id": "m1", "updates": {}}),
        ("message.update", {"id": "m1", "updates": {"id": "m1", "sessionId": "s2"}}),
        ("sandbox.update", {"id": "b1", "updates": {"sessionId": None}}),
    ],
)
async def test_what_the_contract_allows_goes_through(operation: str, params: dict[str, Any]) -> None:
    async def handler(**given: Any) -> Any:
        return given

    assert await Store(operation, params).on({operation: handler}) == params


@pytest.mark.parametrize(
    ("operation", "params", "record", "session"),
    [
        ("session.get", {"id": "s1"}, "s1", "s1"),
        ("session.update", {"id": "s1", "updates": {}}, "s1", "s1"),
        ("message.get", {"id": "m1"}, "m1", None),
        ("message.set", {"id": "m1", "value": {"sessionId": "s1"}}, "m1", "s1"),
        ("message.update", {"id": "m1", "updates": {"sessionId": "s2"}}, "m1", "s2"),
        ("part.listBySession", {"session_id": "s1"}, None, "s1"),
        ("setup.get", {"id": "x"}, "x", None),
    ],
)
async def test_a_call_knows_its_record_and_session(
    operation: str, params: dict[str, Any], record: str | None, session: str | None
) -> None:
    async def handler(**_: Any) -> None:
        pass

    opened = wrapped_of(wrap({operation: handler})[operation])
    assert opened is not None
    with call_context(tenant="acme") as context:
        call = opened.open(params, context)
    assert (call.record_id, call.session_id, call.context.tenant) == (record, session, "acme")


async def test_a_cancelled_call_cancels_the_handler() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(*, id: str) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.create_task(wrap({"session.get": hang})["session.get"](id="s1"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_a_users_decorator_on_a_wrapped_handler_still_runs() -> None:
    notes: list[str] = []
    inner = wrap({"session.get": coroutine_get}, noting("layer", notes))["session.get"]

    @functools.wraps(inner)  # copies every attribute, what `wrap` left there too
    async def decorated(**params: Any) -> Any:
        notes.append("decorator")
        return await inner(**params)

    for handlers in ({"session.get": decorated}, wrap({"session.get": decorated})):
        notes.clear()
        assert await Store("session.get", {"id": "s1"}).on(handlers) == {"id": "s1"}
        assert notes == ["decorator", "layer"]
    assert wrapped_of(decorated) is None


async def test_a_plain_handler_whose_next_finds_nothing_fails_and_does_not_hang() -> None:
    def first(*, id: str) -> Any:
        return next(iter(()))

    for handlers in ({"session.get": first}, wrap({"session.get": first})):
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError, match="StopIteration") as raised:
                await Store("session.get", {"id": "s1"}).on(handlers)
        assert isinstance(raised.value.__cause__, StopIteration)


async def test_what_a_users_handler_raises_passes_unchanged() -> None:
    error = KeyError("their own")

    async def raises(*, id: str) -> None:
        raise error

    def raises_in_a_thread(*, id: str) -> None:
        raise error

    for get in (raises, raises_in_a_thread):
        for handlers in ({"session.get": get}, wrap({"session.get": get})):
            with pytest.raises(KeyError) as raised:
                await Store("session.get", {"id": "s1"}).on(handlers)
            assert raised.value is error
