"""Several sinks: each is given every record once, and `require` and `on_failure` decide what a failure means."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import AuditError, PolicyError, Store, WrapError, wrap
from storescope.middleware import (
    AuditLog,
    OpenTelemetrySink,
    ResidencyPolicy,
    StructlogSink,
    audit,
    metrics,
    region_guard,
)
from storescope.middleware._audit._ids import IdHasher
from storescope.middleware._audit._keys import load_or_make_id_key
from tests.audit.logs import BACKEND, HANDLERS, records_of, until
from tests.audit.sinks import Failing, Silent, Slow, Taking
from tests.policies import FORBIDDEN, REGION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storescope import Handlers
    from storescope.middleware import AuditSink

MAKERS: dict[str, Callable[[], Taking]] = {
    "takes": Taking,
    "takes slowly": Slow,
    "fails": Failing,
    "fails oddly": lambda: Failing(OSError(5, "canary")),
    "fails slowly": lambda: Slow(error=AuditError("this sink cannot take records")),
    "fails oddly and slowly": lambda: Slow(error=OSError(5, "canary")),
    "never answers": Silent,
    "gives up by itself": lambda: Slow(error=asyncio.CancelledError()),
}
SOUND = {"takes", "takes slowly"}
PAIRS = [(first, second) for first in MAKERS for second in MAKERS]
NEAR = ResidencyPolicy.from_dict(
    {
        "schema": "residency/1",
        "version": "1",
        "mode": "enforce",
        "min_confidence": "declared",
        "regions": {"eu": [REGION]},
        "tenants": {"acme": "near"},
        "rules": {"near": {"store": ["eu"], "access": ["eu"], "home": REGION, "telemetry": ["eu"]}},
    }
)
ON_FAILURE = ("refuse", "refuse_writes", "allow")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "id.key"


def stack(*sinks: AuditSink, key: Path, **options: Any) -> Handlers:
    return wrap(HANDLERS, audit(*sinks, id_key=key, **options), backend=BACKEND)


async def refused(call: Any) -> bool:
    """Return whether a call was refused because it could not be logged."""
    try:
        await call
    except AuditError as error:
        told = f"{error!r} {error.__cause__!r}"
    else:
        return False
    assert "canary" not in told
    return True


@pytest.mark.parametrize("on_failure", ON_FAILURE)
@pytest.mark.parametrize("require", ["all", "any"])
async def test_every_mixture_of_sinks(require: str, on_failure: str, key: Path) -> None:
    """All pairs at once: 64 stacks, of which most wait for something."""

    async def check(pair: tuple[str, str]) -> None:
        sinks = [MAKERS[name]() for name in pair]
        handlers = stack(*sinks, key=key, require=require, on_failure=on_failure)
        lost = (any if require == "all" else all)(name not in SOUND for name in pair)
        write_refused = await refused(handlers["session.set"](id="s1", value={}))
        assert write_refused == (lost and on_failure != "allow"), pair
        ended = "error" if write_refused else "ok"
        for sink in sinks:
            assert sink.seen == [("intent", None), ("outcome", ended)], pair
            assert sink.durable == [True, False]
        read_refused = await refused(handlers["session.get"](id="s1"))
        assert read_refused == (lost and on_failure == "refuse"), pair
        for sink in sinks:
            assert sink.seen[2:] == [("outcome", "ok")], pair

    await asyncio.gather(*map(check, PAIRS))


@pytest.mark.parametrize("name", sorted(MAKERS))
@pytest.mark.parametrize("on_failure", ON_FAILURE)
async def test_a_sink_alone(name: str, on_failure: str, key: Path) -> None:
    sink = MAKERS[name]()
    handlers = stack(sink, key=key, on_failure=on_failure)
    lost = name not in SOUND
    assert await refused(handlers["session.set"](id="s1", value={})) == (lost and on_failure != "allow")
    assert await refused(handlers["session.get"](id="s1")) == (lost and on_failure == "refuse")
    assert [phase for phase, _ in sink.seen] == ["intent", "outcome", "outcome"]


async def test_a_write_that_is_refused_does_not_reach_the_backend(key: Path) -> None:
    async def touched(*, id: str, value: Any) -> None:
        pytest.fail("the backend was reached")

    layer = audit(Taking(), Slow(error=AuditError("no")), id_key=key)
    with pytest.raises(AuditError, match="no"):
        await wrap({"session.set": touched}, layer)["session.set"](id="s1", value={})


async def test_sinks_are_waited_for_together(key: Path) -> None:
    """Each takes its own time, and not the others' too."""
    sinks = [Slow(0.3) for _ in range(50)]
    begun = time.perf_counter()
    await stack(*sinks, key=key)["session.get"](id="s1")
    assert time.perf_counter() - begun < 10 < 50 * 0.3
    assert [sink.waited for sink in sinks] == [1] * 50


async def test_one_that_waits_needs_no_task(key: Path) -> None:
    seen: set[Any] = set()

    class Asking(Taking):
        def answer(self) -> Any:
            return self

        def __await__(self) -> Any:
            seen.add(asyncio.current_task())
            yield from asyncio.sleep(0).__await__()

    await stack(Taking(), Asking(), Taking(), key=key)["session.get"](id="s1")
    assert seen == {asyncio.current_task()}


async def test_a_sink_that_never_answers_costs_its_own_bound(key: Path) -> None:
    handlers = stack(Silent(timeout=0.1), Slow(0.01), key=key)
    begun = time.perf_counter()
    with pytest.raises(AuditError, match=r"Silent did not answer within 0\.1 s"):
        await handlers["session.set"](id="s1", value={})
    assert 0.1 < time.perf_counter() - begun < 30  # not the minute that no bound would cost


async def test_a_sink_without_a_bound_has_one_all_the_same(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storescope.middleware._audit._sinks._together.WAIT_SECONDS", 0.02)

    class Plain:
        region = None

        def put(self, phase: str, text: str, *, durable: bool) -> Any:
            return asyncio.sleep(3600)

    with pytest.raises(AuditError, match="Plain did not answer"):
        await stack(Plain(), key=key)["session.set"](id="s1", value={})


async def test_all_failures_are_in_the_error(key: Path) -> None:
    sinks = Failing(AuditError("first")), Slow(error=AuditError("second")), Taking()
    with pytest.raises(AuditError, match=r"^first; second$"):
        await stack(*sinks, key=key)["session.set"](id="s1", value={})


async def test_a_failure_that_refuses_nothing_is_logged(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "storescope.middleware._audit._sinks._together.telemetry_failed",
        lambda layer, error: told.append((layer, type(error).__name__)),
    )
    sinks = Failing(KeyError("x")), Silent(), Taking()
    await stack(*sinks, key=key, require="any")["session.get"](id="s1")
    assert told == [("audit.Failing", "KeyError"), ("audit.Silent", "AuditError")]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_call_that_is_cancelled_while_it_waits(count: int, key: Path) -> None:
    sinks = [Slow(60) for _ in range(count)]
    task = asyncio.create_task(stack(*sinks, key=key)["session.set"](id="s1", value={}))
    await asyncio.sleep(0.02)
    for sink in sinks:
        sink.seconds = 0  # the outcome need not wait
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for sink in sinks:
        assert sink.seen == [("intent", None), ("outcome", "cancelled")]


async def test_a_call_that_is_closed_waits_for_nobody(key: Path) -> None:
    class Leavable(Slow):
        def answer(self) -> Any:
            return asyncio.get_running_loop().create_future()

    async def hang(*, id: str) -> None:
        await asyncio.sleep(60)

    sinks = [Leavable(), Leavable(), Taking()]
    call: Any = wrap({"session.get": hang}, audit(*sinks, id_key=key))["session.get"](id="s1")
    call.send(None)
    call.close()
    for sink in sinks:
        assert sink.seen == [("outcome", "cancelled")]


async def test_a_coroutine_runs_to_its_end_whatever_becomes_of_the_call(key: Path) -> None:
    """It may be what takes the record: `put` may be an `async def`."""

    class Sending:
        region = None
        timeout = 10

        def __init__(self) -> None:
            self.sent: list[str] = []

        async def put(self, phase: str, text: str, *, durable: bool) -> None:
            await asyncio.sleep(0.05)
            self.sent.append(phase)

    async def hang(*, id: str) -> None:
        await asyncio.sleep(60)

    one, other = Sending(), Sending()
    handlers = wrap({**HANDLERS, "part.get": hang}, audit(one, other, id_key=key))
    cancelled = asyncio.create_task(handlers["session.set"](id="s1", value={}))
    await asyncio.sleep(0)
    cancelled.cancel()  # before anything could begin by itself
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    closed: Any = handlers["part.get"](id="p1")
    closed.send(None)
    closed.close()
    await until(lambda: len(one.sent) == len(other.sent) == 3)
    assert one.sent == other.sent == ["intent", "outcome", "outcome"]


def test_a_call_that_is_closed_after_its_loop_is_told_of(key: Path, recwarn: pytest.WarningsRecorder) -> None:
    async def hang(*, id: str) -> None:
        await asyncio.sleep(60)

    async def begin() -> Any:
        call: Any = wrap({"session.get": hang}, audit(sink, id_key=key))["session.get"](id="s1")
        call.send(None)
        return call

    sink = Slow()
    asyncio.run(begin()).close()
    assert sink.seen == [("outcome", "cancelled")]
    assert not recwarn.list


async def test_with_a_log_ids_read_the_same_in_all_sinks(tmp_path: Path) -> None:
    sink = Taking()
    with AuditLog.open(tmp_path / "one") as log, AuditLog.open(tmp_path / "two") as other:
        handlers = wrap(HANDLERS, audit(sink, log, other), backend=BACKEND)
        await handlers["session.set"](id="s1", value={})
        first, second = records_of(log)[1:], records_of(other)[1:]
    hashed = IdHasher(load_or_make_id_key(tmp_path / "one")).hash("s1")
    assert [record["session"] for record in (*first, *second, *sink.records)] == [hashed] * 6
    for written in (first, second):
        assert [{name: record[name] for name in sink.records[0]} for record in written] == sink.records


async def test_without_a_log_ids_are_hashed_with_the_key_of_a_file(key: Path) -> None:
    sink = Taking()
    await stack(sink, key=key)["session.get"](id="s1")
    await stack(sink, key=key)["session.get"](id="s1")
    hashed = IdHasher(load_or_make_id_key(key.parent)).hash("s1")
    assert [record["session"] for record in sink.records] == [hashed] * 2


def test_the_key_is_nobody_elses_to_read(key: Path) -> None:
    audit(Taking(), id_key=key)
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["abc", "0" * 62])
def test_a_damaged_key_is_told_of_at_once(text: str, key: Path) -> None:
    key.parent.mkdir()
    key.write_text(text)
    with pytest.raises(AuditError, match="must hold 64 hex digits"):
        audit(Taking(), id_key=key)


def test_a_key_that_cannot_be_made_is_told_of_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="cannot be read or made"):
        audit(Taking(), id_key=tmp_path / "file" / "id.key")


def test_what_cannot_be_composed_is_refused(tmp_path: Path, key: Path) -> None:
    sink: Any = Taking()
    with AuditLog.open(tmp_path / "audit") as log:
        wrong: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
            ((), {}, "give it what takes the records"),
            ((log, "audit/"), {}, "a str is no sink"),
            (([log, sink],), {}, "a list is no sink"),
            ((log, StructlogSink), {}, "the class StructlogSink is no sink"),
            ((log, log), {}, "the same AuditLog is given twice"),
            ((sink,), {}, "pass id_key=PATH"),
            ((log, sink), {"id_key": key}, "leave id_key out"),
            ((log,), {"require": "most"}, "require must be all or any"),
            ((log,), {"on_failure": "shrug"}, "on_failure must be"),
        ]
        for sinks, options, says in wrong:
            with pytest.raises(WrapError, match=says):
                audit(*sinks, **options)
    assert not key.exists()


def test_a_log_alone_is_called_without_anything_between(tmp_path: Path) -> None:
    """It costs no more than it did when there was but one."""
    with AuditLog.open(tmp_path / "audit") as log:
        assert audit(log)._sink is log


@pytest.mark.parametrize("region", [None, FORBIDDEN])
def test_every_sink_must_be_where_telemetry_may_go(region: str | None, tmp_path: Path) -> None:
    sinks: list[Any] = [StructlogSink(region=region), OpenTelemetrySink(region=region), Taking()]
    sinks[-1].region = region
    with AuditLog.open(tmp_path / "audit", region=REGION) as log:
        for sink in sinks:
            found = f"is in {region}" if region else "has no region="
            with pytest.raises(PolicyError, match=f"audit to {type(sink).__name__} {found}"):
                wrap(HANDLERS, audit(log, sink), region_guard(NEAR), backend=BACKEND)
        near = audit(log, StructlogSink(region=REGION), OpenTelemetrySink(region=REGION))
        wrap(HANDLERS, near, region_guard(NEAR), backend=BACKEND)


async def test_metrics_count_every_log_among_the_sinks(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    with AuditLog.open(tmp_path / "one") as log, AuditLog.open(tmp_path / "two") as other:
        handlers = wrap(HANDLERS, metrics(registry=registry), audit(log, Taking(), other), backend=BACKEND)
        await handlers["session.get"](id="s1")
        count = registry.get_sample_value("agent_storage_audit_records_total", {"phase": "outcome"})
    assert count == 2


async def test_a_call_id_of_the_envelope_is_in_every_sink(key: Path) -> None:
    sinks = Taking(), Slow()
    store = Store("session.set", {"id": "s1", "value": {}})
    await store.on(stack(*sinks, key=key))
    ids = {record["call_id"] for sink in sinks for record in sink.records}
    assert len(ids) == 1


@pytest.mark.parametrize("require", ["all", "any"])
async def test_a_log_that_takes_nothing_beside_one_that_does(require: str, tmp_path: Path) -> None:
    log, sink = AuditLog.open(tmp_path / "audit"), Taking()
    log.close()
    handlers = wrap(HANDLERS, audit(log, sink, require=require), backend=BACKEND)  # type: ignore[arg-type] # a parameter
    write_refused = await refused(handlers["session.set"](id="s1", value={}))
    assert write_refused == (require == "all")
    assert sink.seen == [("intent", None), ("outcome", "error" if write_refused else "ok")]
    assert log.stats.failures["closed"] == 2
