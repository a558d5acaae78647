"""For whom, by whom, from where: blocks nest, tasks keep theirs, and an envelope carries it whole."""

from __future__ import annotations

import asyncio
import pickle
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescope import CallContext, InvalidRecordError, Store, call_context, current_context, wrap
from storescope.context import use_context

texts = st.none() | st.text(min_size=1)
contexts = st.builds(
    CallContext, texts, texts, texts, texts, st.integers(1, 9), traceparent=texts, tracestate=texts
)

if TYPE_CHECKING:
    from collections.abc import Generator


def test_an_inner_block_adds_to_the_one_around_it_and_ends_with_it() -> None:
    with call_context(tenant="acme", region="aws:eu-west-1") as outer:
        assert outer == current_context() == CallContext(tenant="acme", region="aws:eu-west-1")
        with call_context(actor="bob", region="aws:us-east-1") as inner:
            assert inner == current_context() == CallContext("acme", "bob", "aws:us-east-1")
        assert current_context() is outer
    assert current_context() == CallContext()


def test_an_inner_block_keeps_the_callers_trace() -> None:
    carried = CallContext(call_id="c", attempt=2, traceparent="00-1-2-01", tracestate="a=b")
    with use_context(carried), call_context(tenant="acme") as inner:
        assert (inner.traceparent, inner.tracestate) == ("00-1-2-01", "a=b")


def test_the_block_around_is_the_one_where_it_is_entered() -> None:
    by_bob = call_context(actor="bob")
    with call_context(tenant="acme"), by_bob as inner:
        assert inner == CallContext(tenant="acme", actor="bob")


def test_a_block_may_be_entered_again_after_it_ended() -> None:
    by_bob = call_context(actor="bob")
    for tenant in ("acme", "other"):
        with call_context(tenant=tenant), by_bob:
            assert current_context() == CallContext(tenant=tenant, actor="bob")


def test_a_block_ends_when_it_raises() -> None:
    with pytest.raises(KeyError), call_context(tenant="acme"):
        raise KeyError
    assert current_context() == CallContext()


async def test_tasks_keep_their_own() -> None:
    async def tenant_of_task(tenant: str) -> str | None:
        with call_context(tenant=tenant):
            await asyncio.sleep(0)
            return current_context().tenant

    names = [f"tenant {number}" for number in range(10)]
    assert await asyncio.gather(*map(tenant_of_task, names)) == names


async def test_a_handler_in_a_thread_sees_it_too() -> None:
    def get(*, id: str) -> CallContext:
        return current_context()

    handlers: Any
    for handlers in ({"session.get": get}, wrap({"session.get": get})):
        with call_context(tenant="acme") as context:
            assert await Store("session.get", {"id": "s1"}).on(handlers) == context


async def test_an_envelopes_context_replaces_the_one_around_whole() -> None:
    async def get(*, id: str) -> CallContext:
        return current_context()

    with call_context(tenant="acme", actor="bob"):
        asked = await Store("session.get", {"id": "s1"}, CallContext(region="r")).on({"session.get": get})
        assert asked == CallContext(region="r")  # whose it is, is not mixed from two places


@pytest.mark.parametrize("wrong", [{"tenant": ""}, {"actor": 7}, {"region": []}, {"tenant": b"acme"}])
def test_what_is_no_text_is_refused_before_the_block(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordError, match=f"{next(iter(wrong))} must be a non-empty string"):
        call_context(**wrong)


@given(context=contexts)
def test_it_survives_a_dict_and_pickle(context: CallContext) -> None:
    assert CallContext.from_dict(context.to_dict()) == context
    assert pickle.loads(pickle.dumps(context)) == context


def test_a_dict_holds_only_what_says_something() -> None:
    assert CallContext().to_dict() == {}
    assert CallContext(tenant="acme", attempt=2).to_dict() == {"tenant": "acme", "attempt": 2}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "must be an object"),
        (None, "must be an object"),
        ({"role": "admin"}, "allows only tenant, actor, region"),
        ({1: "x"}, "allows only tenant, actor, region"),
        ({"tenant": None}, "tenant must be of type str"),
        ({"tenant": ["secret"]}, "tenant must be of type str"),
        ({"attempt": "1"}, "attempt must be of type int"),
        ({"attempt": True}, "attempt must be of type int"),
        ({"attempt": 0}, "attempt must be 1 or more"),
        ({"tenant": ""}, "tenant must not be empty"),
        ({"actor": ""}, "actor must not be empty"),
        ({"region": ""}, "region must not be empty"),
        ({"call_id": ""}, "call_id must not be empty"),
    ],
    ids=str,
)
def test_a_malformed_dict_is_refused_without_being_quoted(data: Any, says: str) -> None:
    with pytest.raises(InvalidRecordError, match=says) as refused:
        CallContext.from_dict(data)
    assert "secret" not in str(refused.value)


def test_it_cannot_be_changed_under_a_call() -> None:
    context: Any = CallContext(tenant="acme")
    with pytest.raises(AttributeError):
        context.tenant = "other"


def test_a_block_that_is_closed_from_another_context_ends_quietly() -> None:
    """As when a workflow engine evicts a workflow: its coroutine is closed wherever that happens."""

    class Forever:
        def __await__(self) -> Generator[None]:
            yield

    async def forever() -> None:
        with call_context(tenant="acme"):
            await Forever()

    coroutine = forever()
    copy_context().run(coroutine.send, None)
    coroutine.close()  # else Python would say that it ignored an exception, and the warning fail this test
    assert current_context().tenant is None
