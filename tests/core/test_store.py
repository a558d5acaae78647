"""The envelope crosses processes, and the context rides with it."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescope import (
    OPERATIONS,
    CallContext,
    InvalidRecordError,
    StorageClient,
    Store,
    UnsupportedOperationError,
    call_context,
    current_context,
    wrap,
)
from storescope.compose import wrapped_of

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
texts = st.none() | st.text(min_size=1)
contexts = st.none() | st.builds(
    CallContext, texts, texts, texts, texts, st.integers(1, 9), traceparent=texts, tracestate=texts
)


@st.composite
def stores(draw: st.DrawFn) -> Store:
    operation = OPERATIONS[draw(st.sampled_from(sorted(OPERATIONS)))]
    params = {name: draw(st.text() if "id" in name else values) for name in operation.params}
    return Store(operation.name, params, draw(contexts))


@given(store=stores())
def test_an_envelope_survives_json_and_pickle(store: Store) -> None:
    assert Store.from_json(store.to_json()) == store
    assert Store.from_json(store.to_json().encode()) == store
    assert pickle.loads(pickle.dumps(store)) == store


def test_on_the_wire_parameters_are_camel_case() -> None:
    store = Store("message.listBySession", {"session_id": "s1"}, CallContext(tenant="acme", attempt=2))
    assert json.loads(store.to_json()) == {
        "op": "message.listBySession",
        "params": {"sessionId": "s1"},
        "context": {"tenant": "acme", "attempt": 2},
    }


def test_a_lone_surrogate_survives() -> None:
    store = Store("setup.set", {"id": "x", "value": {"a": "\ud800"}})
    assert Store.from_json(store.to_json()) == store


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "must be an object"),
        (b'{"op":"session.get","params":{"id":"x"},"extra":1}', "must be an object"),
        (b'{"op":1,"params":{}}', "op must be a string"),
        (b'{"op":"session.get"}', "params an object"),
        (b'{"op":"session.set","params":{"id":"x","value":{"secret":NaN}}}', "not JSON"),
        (b'{"op":"session.set","params":{"id":"x","value":{"secret":-Infinity}}}', "not JSON"),
        (b'{"op":"message.listBySession","params":{"session_id":"secret"}}', "camelCase: sessionId"),
        (b'{"op":"part.listBySession","params":{"sessionId":"a","session_id":"b"}}', "camelCase: sessionId"),
        (b'{"op":"session.get","params":{"secret":1}}', "takes the parameters id"),
        (b'{"op":"session.set","params":{"id":"x"}}', "takes the parameters id, value"),
        (b'{"op":"session.get","params":{"id":"x"},"context":[]}', "context must be an object"),
        (b'{"op":"session.get","params":{"id":"x"},"context":{"role":"admin"}}', "context allows only tenant"),
        (b'{"op":"session.get","params":{"id":"x"},"context":{"tenant":7}}', "tenant must be of type str"),
        (b'{"op":"session.get","params":{"id":"x"},"context":{"attempt":true}}', "attempt must be of type int"),
    ],
)
def test_a_malformed_envelope_is_refused_without_being_quoted(data: bytes, says: str) -> None:
    with pytest.raises(InvalidRecordError, match=says) as refused:
        Store.from_json(data)
    assert "secret" not in str(refused.value)


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(UnsupportedOperationError, match="nearest"):
        Store("session.delete", {"id": "x"})


NOT_JSON: list[Any] = [
    *({"a": value} for value in (float("nan"), float("inf"), object(), {1, 2}, b"x", (1,), 10**5000)),
    *({key: 1} for key in (("a",), 1, None, True)),
    {"a": "\ud83d\ude00"},  # two surrogates, which JSON would join to one character
]


@pytest.mark.parametrize("value", NOT_JSON, ids=lambda value: type(next(iter(value.values()))).__name__)
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRecordError, match="not JSON"):
        Store("session.set", {"id": "x", "value": value}).to_json()


def test_a_circle_is_refused() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    with pytest.raises(InvalidRecordError, match="not JSON"):
        Store("session.set", {"id": "x", "value": value}).to_json()


def test_an_envelope_shows_and_equals_as_it_should() -> None:
    store = Store("session.get", {"id": "secret"})
    assert repr(store) == "Store('session.get')"
    assert store != "session.get"
    with pytest.raises(TypeError):
        hash(store)


class Asked:
    """Handlers that answer with their arguments and the context in force."""

    def __init__(self) -> None:
        self.handlers = dict.fromkeys(OPERATIONS, self.answer)

    async def answer(self, **params: Any) -> tuple[dict[str, Any], CallContext]:
        return params, current_context()


async def test_the_context_of_the_envelope_is_in_force_inside() -> None:
    asked = Asked()
    for handlers in (asked.handlers, wrap(asked.handlers)):
        with call_context(tenant="outer"):
            _, inside = await Store("session.get", {"id": "x"}, CallContext(tenant="acme", region="r")).on(
                handlers
            )
            _, ambient = await Store("session.get", {"id": "x"}).on(handlers)
            assert current_context().tenant == "outer"
        assert (inside.tenant, inside.region, ambient.tenant) == ("acme", "r", "outer")


async def test_an_envelopes_call_id_is_kept_and_not_given_to_inner_calls() -> None:
    asked = Asked()
    store = Store("session.get", {"id": "x"}, CallContext(call_id="mine", attempt=3))
    _, inside = await store.on(wrap(asked.handlers))
    assert (inside.call_id, inside.attempt) == (None, 1)
    wrapped = wrapped_of(wrap(asked.handlers)["session.get"])
    assert wrapped is not None
    call = wrapped.open({"id": "x"}, CallContext(call_id="mine", attempt=3))
    assert (call.call_id, call.attempt) == ("mine", 3)


def test_each_call_has_an_id_of_its_own() -> None:
    wrapped = wrapped_of(wrap(Asked().handlers)["session.get"])
    assert wrapped is not None
    ids = {wrapped.open({"id": "x"}, CallContext()).call_id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(id_) == 32 and int(id_, 16) >= 0 for id_ in ids)


def test_contexts_nest() -> None:
    assert current_context() == CallContext()
    with call_context(tenant="acme", region="eu"), call_context(actor="bob", region="us") as inner:
        assert inner == current_context() == CallContext("acme", "bob", "us")
    assert current_context() == CallContext()


@pytest.mark.parametrize("wrong", [{"tenant": ""}, {"actor": 7}, {"region": []}])
def test_a_context_holds_strings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordError, match=f"{next(iter(wrong))} must be a non-empty string"):
        call_context(**wrong)


async def test_the_client_makes_all_fifteen_calls() -> None:
    sent: list[tuple[str, dict[str, Any], Any]] = []

    async def storage(store: Store) -> Any:
        sent.append((store.operation, store.params, store.context and store.context.tenant))
        return []

    client = StorageClient(storage)
    record = {"sessionId": "s"}
    with call_context(tenant="acme"):
        for entity in (client.session, client.message, client.part, client.sandbox, client.setup):
            await entity.get("x")
            await entity.set("x", record)
        for updatable in (client.session, client.message, client.sandbox):
            await updatable.update("x", record)
        for listed in (client.message, client.part):
            await listed.list_by_session("s")
    assert {operation for operation, _, _ in sent} == set(OPERATIONS)
    assert {tenant for _, _, tenant in sent} == {"acme"}
    for operation, params, _ in sent:
        assert set(params) == set(OPERATIONS[operation].params)


async def test_the_client_passes_arguments_by_name_and_hands_back_the_result() -> None:
    async def storage(store: Store) -> Any:
        return store.operation, store.params

    client = StorageClient(storage)
    got: Any = await client.session.get("s1")
    assert got == ("session.get", {"id": "s1"})
    updated: Any = await client.message.update("m1", {"a": 1})
    assert updated == ("message.update", {"id": "m1", "updates": {"a": 1}})
    listed: Any = await client.part.list_by_session("s1")
    assert listed == ("part.listBySession", {"session_id": "s1"})


@pytest.mark.parametrize("entity", ["session", "message", "part", "sandbox", "setup"])
async def test_a_set_by_the_client_returns_nothing_whatever_the_handler_does(entity: str) -> None:
    sent: list[Store] = []

    async def storage(store: Store) -> str:
        sent.append(store)
        return "the driver's own"

    assert await getattr(StorageClient(storage), entity).set("x", {"sessionId": "s1"}) is None
    assert sent == [Store(f"{entity}.set", {"id": "x", "value": {"sessionId": "s1"}}, CallContext())]
