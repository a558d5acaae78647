"""A call has one id of its own, and an envelope that crossed a process keeps its id and attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storescope import CallContext, Store, call_context, current_context, wrap

if TYPE_CHECKING:
    from storescope import BackendInfo, Call, Operation, Step


class Keeps:
    """A layer that keeps every call that passes."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        def step(call: Call) -> Any:
            self.calls.append(call)
            return next_step(call)

        return step

    def ids(self) -> list[tuple[str, int]]:
        return [(call.call_id, call.attempt) for call in self.calls]


async def get(*, id: str) -> CallContext:
    return current_context()


async def test_each_call_makes_an_id_of_its_own() -> None:
    keeps = Keeps()
    handlers = wrap({"session.get": get}, keeps)
    store = Store("session.get", {"id": "s1"})
    with call_context(tenant="acme"):
        await handlers["session.get"](id="s1")
        await store.on(handlers)
        await store.on(handlers)
    ids = keeps.ids()
    assert len(set(ids)) == 3
    for call_id, attempt in ids:
        assert len(call_id) == 32
        assert int(call_id, 16) >= 0
        assert attempt == 1


async def test_an_id_once_asked_for_stays() -> None:
    keeps = Keeps()
    await wrap({"session.get": get}, keeps)["session.get"](id="s1")
    assert keeps.calls[0].call_id == keeps.calls[0].call_id


async def test_an_envelopes_id_and_attempt_are_kept_across_processes() -> None:
    keeps = Keeps()
    handlers = wrap({"session.get": get}, keeps)
    store = Store("session.get", {"id": "s1"}, CallContext(call_id="mine", attempt=3))
    await Store.from_json(store.to_json()).on(handlers)
    assert keeps.ids() == [("mine", 3)]


@pytest.mark.parametrize(
    "context",
    [CallContext(tenant="acme", call_id="mine"), CallContext(tenant="acme", attempt=3)],
    ids=["call id", "attempt"],
)
async def test_a_handlers_own_calls_do_not_inherit_them(context: CallContext) -> None:
    keeps = Keeps()
    inner = wrap({"session.get": get}, keeps)

    async def asks_another(*, id: str) -> None:
        await inner["session.get"](id="s2")
        with call_context(actor="bob"):
            await Store("session.get", {"id": "s3"}).on(inner)

    handlers: Any
    for handlers in ({"session.get": asks_another}, wrap({"session.get": asks_another})):
        keeps.calls.clear()
        await Store("session.get", {"id": "s1"}, context).on(handlers)
        first, second = keeps.calls
        assert first.call_id != second.call_id
        assert "mine" not in {first.call_id, second.call_id}
        assert (first.attempt, second.attempt) == (1, 1)
        assert (first.context.tenant, second.context.tenant) == ("acme", "acme")
        assert (first.context.actor, second.context.actor) == (None, "bob")


async def test_layers_of_the_call_still_see_its_own_id_and_context() -> None:
    keeps = Keeps()
    context = CallContext(tenant="acme", call_id="mine", attempt=2, traceparent="00-1-2-01")
    in_force = await Store("session.get", {"id": "s1"}, context).on(wrap({"session.get": get}, keeps))
    assert keeps.calls[0].context is context
    assert in_force == CallContext(tenant="acme", traceparent="00-1-2-01")
