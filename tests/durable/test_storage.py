"""What durable steps promise with any engine: nothing runs twice, and all comes back as it was."""

from __future__ import annotations

import base64
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from storescope import (
    BackendError,
    BackendInfo,
    InvalidRecordError,
    PolicyError,
    RecordNotFoundError,
    ResidencyError,
    StorageClient,
    StorageError,
    Store,
    WrapError,
    call_context,
    wrap,
)
from storescope.backends import open_backend
from storescope.durable import DurableError, DurableStorage, Place, Retry
from storescope.durable._travel import dump_error, load_error
from storescope.durable.temporal import activity
from storescope.middleware import AuditLog, ResidencyPolicy, audit, metrics, region_guard, tracing
from tests.audit.logs import records_of
from tests.durable.list_engine import ListEngine
from tests.region.policies import EU, US, sound

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Call, Middleware, Operation, Step

CANARY = "canary-4711"


class Seen:
    """The innermost layer: keeps the calls that reach the handlers."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        async def step(call: Call) -> Any:
            self.calls.append(call)
            return await next_step(call)

        return step


async def turn(agent: StorageClient) -> list[Any]:
    await agent.session.set("s1", {"note": CANARY})
    with pytest.raises(RecordNotFoundError) as missing:
        await agent.session.update("s2", {"n": 1})
    updated = await agent.session.update("s1", {"n": 2})
    return [missing.value.id, updated, await agent.session.get("s1")]


async def test_a_replay_returns_what_was_and_is_seen_as_one(tmp_path: Path) -> None:
    """A span that links to the first run's, one more in `replayed_total`, no call, and no second audit record."""
    engine, seen, spans, registry = ListEngine(), Seen(), InMemorySpanExporter(), CollectorRegistry()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    layers: list[Middleware] = [tracing(tracer_provider=provider), metrics(registry=registry)]
    with AuditLog.open(tmp_path / "audit") as log:
        async with open_backend("memory:") as backend:
            agent = StorageClient(DurableStorage(wrap(backend, *layers, audit(log), seen), engine))
            with call_context(tenant="acme", actor="someone"):
                with engine.begin():
                    first = await turn(agent)
                live = spans.get_finished_spans()
                spans.clear()
                with engine.begin():
                    assert await turn(agent) == first
        records = records_of(log)
    assert first == ["s2", {"note": CANARY, "n": 2}, {"note": CANARY, "n": 2}]
    assert len(seen.calls) == 4
    assert len([record for record in records if record["phase"] == "outcome"]) == 4
    replayed = spans.get_finished_spans()
    assert [span.name for span in replayed] == [span.name for span in live]
    for then, now in zip(live, replayed, strict=True):
        assert now.attributes is not None
        assert then.attributes is not None
        assert now.attributes["agent_storage.replayed"] is True
        assert now.attributes["agent_storage.call_id"] == then.attributes["agent_storage.call_id"]
        (link,) = now.links
        assert then.context is not None
        assert link.context.span_id == then.context.span_id
    assert registry.get_sample_value("agent_storage_replayed_total", {"operation": "session.update"}) == 2
    ids = [Place("list", "w1", str(number), 1).call_id for number in range(4)]
    assert [call.call_id for call in seen.calls] == ids
    assert [record["call_id"] for record in records if record["phase"] == "outcome"] == ids


async def test_outside_of_a_workflow_it_is_a_plain_call() -> None:
    engine, seen = ListEngine(), Seen()
    async with open_backend("memory:") as backend:
        agent = StorageClient(DurableStorage(wrap(backend, seen), engine))
        await agent.session.set("s1", {})
        assert await agent.session.get("s1") == {}
    assert engine.log == []
    assert seen.calls[0].context.call_id is None


async def nothing(*, id: str) -> None: ...


async def test_what_is_not_retryable_is_never_tried_again_and_the_rest_is() -> None:
    tried: list[int] = []
    error: list[Exception] = [InvalidRecordError("no")]

    def count(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        async def step(call: Call) -> Any:
            tried.append(call.attempt)
            raise error[0]

        return step

    handlers = wrap({"session.get": nothing}, count, backend=BackendInfo("memory"))
    for raised, attempts in (
        (InvalidRecordError("no"), [1]),
        (RecordNotFoundError("session", "s1"), [1]),
        (BackendError("lost", driver_error="x:1", retryable=True), [1, 2, 3]),
        (OSError(5, "a user's own"), [1, 2, 3]),
    ):
        tried.clear()
        error[0], engine = raised, ListEngine(attempts=3)
        agent = StorageClient(DurableStorage(handlers, engine))
        for _ in range(2):  # live, and replayed
            with engine.begin(), pytest.raises(type(raised)) as caught:
                await agent.session.get("s1")
            assert caught.value.args == raised.args
            assert vars(caught.value) == vars(raised)
        assert tried == attempts


class OddError(Exception):
    """Its constructor wants what its arguments do not say, so that pickle alone could not make it again."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint
        self.lock = lambda: None


async def test_errors_come_back_with_class_and_attributes() -> None:
    """All of storescope's, with what they carry, and a user's own; what cannot travel is left out."""
    async with open_backend("memory:") as backend:
        guard = region_guard(ResidencyPolicy.from_dict(sound()))
        with pytest.raises(ResidencyError) as denied:
            await wrap(backend, guard, backend=BackendInfo("memory", region=EU))["session.get"](id="s1")
    back = load_error(dump_error(denied.value))
    assert isinstance(back, ResidencyError)
    assert repr(back.decision) == repr(denied.value.decision)  # decisions are equal to themselves alone
    assert back.decision.code == "tenant_missing"
    odd = load_error(dump_error(OddError(7, hint="look")))
    assert isinstance(odd, OddError)
    assert (str(odd), odd.code, odd.hint, hasattr(odd, "lock")) == ("code 7", 7, "look", False)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("it ran",)


async def test_a_log_that_somebody_wrote_to_runs_no_code(capsys: pytest.CaptureFixture[str]) -> None:
    text = base64.b64encode(pickle.dumps((ValueError, (Evil(),), {}))).decode()
    with pytest.raises(DurableError, match="cannot be made again"):
        load_error(text)
    with pytest.raises(DurableError, match="cannot be made again"):
        load_error("no base64")
    assert capsys.readouterr().out == ""


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab é\0")
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.text("kl"), inner, max_size=3)


@given(st.recursive(SCALARS, nested, max_leaves=8))
async def test_whatever_json_a_call_returns_comes_back_equal(value: Any) -> None:
    engine = ListEngine()

    async def get(*, id: str) -> Any:
        return {"value": value}

    agent = StorageClient(DurableStorage({"session.get": get}, engine))
    results = []
    for _ in range(2):
        with engine.begin():
            results.append(await agent.session.get("s1"))
    assert json.dumps(results[0]) == json.dumps(results[1]) == json.dumps({"value": value})


async def test_changed_code_is_an_error_before_a_handler_runs() -> None:
    engine, seen = ListEngine(), Seen()
    async with open_backend("memory:") as backend:
        agent = StorageClient(DurableStorage(wrap(backend, seen), engine))
        with engine.begin():
            await agent.session.get("s1")
        with engine.begin(), pytest.raises(DurableError, match=r"session\.get of another record"):
            await agent.session.get("s2")
        engine.log[0] = ("session.get", "what another program left")
        with engine.begin(), pytest.raises(DurableError, match="not one of a storage step"):
            await agent.session.get("s1")
    assert len(seen.calls) == 1


async def test_what_cannot_be_kept_is_an_error_before_the_handler_runs() -> None:
    engine, seen = ListEngine(), Seen()
    async with open_backend("memory:") as backend:
        agent = StorageClient(DurableStorage(wrap(backend, seen), engine))
        with engine.begin(), pytest.raises(DurableError, match="Nothing was called") as refused:
            await agent.session.set("s1", {"when": object(), "note": CANARY})
    assert seen.calls == []
    assert CANARY not in str(refused.value)


async def test_a_result_that_is_not_json_says_that_the_call_was_made() -> None:
    """Only the handler knows what it returns: the error comes after it, and is kept: it runs no second time."""
    engine, calls = ListEngine(attempts=3), 0

    async def update(*, id: str, updates: Any) -> Any:
        nonlocal calls
        calls += 1
        return {"tags": {CANARY}}

    agent = StorageClient(DurableStorage({"session.update": update}, engine))
    for _ in range(2):
        with engine.begin(), pytest.raises(DurableError, match="not JSON") as refused:
            await agent.session.update("s1", {})
        assert refused.value.maybe_applied
        assert CANARY not in str(refused.value)
    assert calls == 1


async def test_references_keep_no_content_and_read_again() -> None:
    engine, seen = ListEngine(), Seen()
    async with open_backend("memory:") as backend:
        agent = StorageClient(DurableStorage(wrap(backend, seen), engine, results="reference"))
        with engine.begin():
            first = await turn(agent)
            await agent.message.list_by_session("s1")
        assert CANARY not in str(engine.log)
        await backend["session.update"](id="s1", updates={"later": True})
        with engine.begin():
            again = await turn(agent)
            assert await agent.message.list_by_session("s1") == []
    assert first[1] == {"note": CANARY, "n": 2}
    assert again[1] == again[2] == {"note": CANARY, "n": 2, "later": True}
    operations = [call.operation.name for call in seen.calls[5:]]
    assert operations == ["session.get", "session.get", "message.listBySession"]
    with pytest.raises(WrapError, match="content or reference"):
        DurableStorage({}, engine, results="none")  # type: ignore[arg-type] # that is the point


async def test_references_keep_nothing_of_what_a_users_error_says() -> None:
    engine = ListEngine()

    async def get(*, id: str) -> None:
        raise OddError(7, hint=CANARY)

    agent = StorageClient(DurableStorage({"session.get": get}, engine, results="reference"))
    for said in ("code 7", ""):  # live, and replayed
        with engine.begin(), pytest.raises(OddError) as caught:
            await agent.session.get("s1")
        assert str(caught.value) == said
    assert CANARY not in load_error(json.loads(engine.log[0][1])["error"]).__dict__.values()


@pytest.mark.parametrize("numbers", [{"attempts": 0}, {"seconds": 0}, {"backoff": 0.5}])
def test_a_retry_that_cannot_be_is_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(WrapError, match="attempts must be 1 or more"):
        Retry(**numbers)
    with pytest.raises(WrapError, match="seconds must be above 0"):
        activity({}, seconds=0)


async def test_the_context_around_a_workflow_is_known_after_recovery() -> None:
    """An engine starts a recovered workflow with nothing around it; a step without a context never gets one."""
    engine, seen = ListEngine(), Seen()

    async def workflow(agent: StorageClient, *, last: bool) -> None:
        with call_context(actor="inner"):
            await agent.session.get("s1")
        if last:
            await agent.session.get("s2")
            with call_context(region=US):
                await agent.session.get("s3")

    async with open_backend("memory:") as backend:
        handlers = wrap(backend, seen)
        with call_context(tenant="acme", region=EU), engine.begin():
            await workflow(StorageClient(DurableStorage(handlers, engine)), last=False)
        with engine.begin():
            await workflow(StorageClient(DurableStorage(handlers, engine)), last=True)
    contexts = [(call.context.tenant, call.context.actor, call.context.region) for call in seen.calls]
    assert contexts == [("acme", "inner", EU), ("acme", None, EU), ("acme", None, US)]


async def test_the_parent_span_is_known_after_recovery() -> None:
    engine, seen = ListEngine(), Seen()
    tracer = TracerProvider().get_tracer("test")

    async def workflow(agent: StorageClient, *, calls: int) -> None:
        for number in range(calls):
            await agent.session.get(f"s{number}")

    async with open_backend("memory:") as backend:
        handlers = wrap(backend, seen)
        with tracer.start_as_current_span("turn") as span, engine.begin():
            await workflow(StorageClient(DurableStorage(handlers, engine)), calls=1)
        with engine.begin():
            await workflow(StorageClient(DurableStorage(handlers, engine)), calls=2)
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert [str(call.context.traceparent).split("-")[1] for call in seen.calls] == [trace_id, trace_id]


def policy(**rule: Any) -> ResidencyPolicy:
    rules = {"eu-only": {"store": ["eu"], "access": ["eu"], "home": EU, **rule}}
    return ResidencyPolicy.from_dict(sound(rules=rules, tenants={"acme": "eu-only"}, exceptions=[]))


@pytest.mark.parametrize(
    ("rule", "results", "region", "refused"),
    [
        ({}, "content", None, "has no region=.*records rest only in"),
        ({}, "content", US, "is in .*records rest only in"),
        ({}, "content", EU, None),
        ({}, "reference", None, None),
        ({"telemetry": ["eu"]}, "reference", None, "has no region=.*telemetry go only in"),
        ({"telemetry": ["eu"]}, "reference", US, "telemetry go only in"),
        ({"telemetry": ["us"]}, "reference", US, None),
    ],
)
async def test_the_log_is_held_to_the_policy(
    rule: Any, results: Any, region: str | None, refused: str | None
) -> None:
    """Of a map at once, of a function when a call passes its guard, before anything is stored."""
    info = BackendInfo("memory", region=EU, keeps_labels=True)
    async with open_backend("memory:", region=EU) as backend:
        handlers = wrap(backend, region_guard(policy(**rule)), backend=info)
        if refused is None:
            DurableStorage(handlers, ListEngine(), region=region, results=results)
        else:
            with pytest.raises(StorageError, match=refused):
                DurableStorage(handlers, ListEngine(), region=region, results=results)

        async def storage(store: Store) -> Any:
            return await store.on(handlers)

        engine = ListEngine()
        agent = StorageClient(DurableStorage(storage, engine, region=region, results=results))
        with engine.begin(), call_context(tenant="acme", region=EU):
            if refused is None:
                await agent.session.set("s1", {})
            else:
                with pytest.raises(StorageError, match=refused):
                    await agent.session.set("s1", {})
        assert len((await backend.admin.scan("session")).records) == (refused is None)


async def test_a_policy_that_forbids_a_log_in_use_does_not_come_into_force() -> None:
    guard = region_guard(policy(store=["eu", "us"]))
    async with open_backend("memory:", region=EU) as backend:
        DurableStorage(wrap(backend, guard), ListEngine(), region=US)
        guard.check(policy(store=["eu", "us"]))
        with pytest.raises(PolicyError, match=f"is in {US}"):
            guard.check(policy())


async def test_what_a_handler_calls_does_not_go_to_the_log_and_is_not_held_to_it() -> None:
    engine = ListEngine()
    async with open_backend("memory:", region=EU) as backend:
        guarded = wrap(backend, region_guard(policy()))

        async def get(*, id: str) -> dict[str, Any]:
            return {"found": await Store("session.get", {"id": id}).on(guarded)}

        agent = StorageClient(DurableStorage({"session.get": get}, engine))
        with engine.begin(), call_context(tenant="acme", region=EU):
            assert await agent.session.get("s1") == {"found": None}
