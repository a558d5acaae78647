"""The guard in its stack: no denied call reaches the backend, and no stack hides a denial."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import (
    OPERATIONS,
    BackendInfo,
    Call,
    CallContext,
    InvalidRecordError,
    Middleware,
    PolicyError,
    ResidencyError,
    WrapError,
    call_context,
    wrap,
)
from storescope.middleware import AuditLog, Decision, ResidencyPolicy, audit, metrics, region_guard, tracing
from tests.region.policies import EU, US, sound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storescope import Operation, Step

POLICY = ResidencyPolicy.from_dict(sound(exceptions=[]))
BACKEND = BackendInfo("memory", region=EU)
PARAMS: dict[str, dict[str, Any]] = {
    "get": {"id": "secret-id"},
    "set": {"id": "secret-id", "value": {"sessionId": "secret-session"}},
    "update": {"id": "secret-id", "updates": {"text": "secret-text"}},
    "listBySession": {"session_id": "secret-session"},
}


def contacted() -> Any:
    async def handler(**_: Any) -> None:
        pytest.fail("a denied call reached the backend")

    return handler


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("tenant", ["acme", "secret-tenant", None])
async def test_a_denied_call_raises_and_contacts_nothing(operation: str, tenant: str | None) -> None:
    handlers = wrap({operation: contacted()}, region_guard(POLICY), backend=BACKEND)
    with call_context(tenant=tenant, region=US), pytest.raises(ResidencyError) as denied:
        await handlers[operation](**PARAMS[OPERATIONS[operation].verb])
    text = str(denied.value)
    assert text.startswith(f"{operation}: denied")
    assert "it would be allowed" in text
    assert "\n" not in text
    assert "secret" not in text


async def test_an_allowed_call_goes_through() -> None:
    async def get(*, id: str) -> str:
        return id

    handlers = wrap({"session.get": get}, region_guard(POLICY, caller_region=EU), backend=BACKEND)
    with call_context(tenant="acme"):
        assert await handlers["session.get"](id="s1") == "s1"


async def test_a_refused_input_stays_a_refused_input() -> None:
    handlers = wrap({"session.get": contacted()}, region_guard(POLICY), backend=BACKEND)
    with call_context(tenant="acme", region=US), pytest.raises(InvalidRecordError):
        await handlers["session.get"](id="")


async def test_a_denied_call_that_another_layer_refuses_reaches_no_cache_inside() -> None:
    class Fails:
        def on_open(self, operation: Operation, backend: BackendInfo) -> Any:
            def open_call(call: Call) -> None:
                raise RuntimeError("another layer's fault")

            return open_call

        def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
            return next_step

    def cache(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        async def step(call: Call) -> Any:
            pytest.fail("a layer inside the guard was asked")

        return step

    handlers = wrap({"session.get": contacted()}, Fails(), region_guard(POLICY), cache, backend=BACKEND)
    with call_context(tenant="acme", region=US), pytest.raises(RuntimeError, match="another layer's fault"):
        await handlers["session.get"](id="s1")


async def test_a_denial_survives_pickling() -> None:
    handlers = wrap({"session.get": contacted()}, region_guard(POLICY), backend=BACKEND)
    with call_context(tenant="acme", region=US), pytest.raises(ResidencyError) as denied:
        await handlers["session.get"](id="s1")
    copied: ResidencyError = pickle.loads(pickle.dumps(denied.value))
    assert isinstance(copied.decision, Decision)
    assert str(copied) == str(denied.value)
    assert copied.decision.explain() == denied.value.decision.explain()  # type: ignore[attr-defined] # a Decision


async def test_monitor_lets_through_and_says_so() -> None:
    seen: list[Any] = []

    def look(next_step: Any, operation: Any, backend: Any) -> Any:
        def step(call: Call) -> Any:
            seen.append(call.decision)
            return next_step(call)

        return step

    async def get(*, id: str) -> str:
        return id

    policy = ResidencyPolicy.from_dict(sound(mode="monitor"))
    handlers = wrap({"session.get": get}, look, region_guard(policy), backend=BACKEND)
    with call_context(tenant="acme", region="aws:sa-east-1"):
        assert await handlers["session.get"](id="s1") == "s1"
    assert (seen[0].effect, seen[0].allowed, seen[0].code) == ("would_deny", True, "call_region_forbidden")


async def test_a_call_without_a_decision_is_denied() -> None:
    """Nobody opened it: a middleware that makes calls of its own cannot slip past the guard."""
    step = region_guard(POLICY)(contacted(), OPERATIONS["session.get"], BACKEND)
    call = Call(OPERATIONS["session.get"], {"id": "s1"}, CallContext(tenant="acme", region=EU))
    with pytest.raises(PolicyError, match="no residency decision"):
        await step(call)


def test_a_backend_that_nobody_described_is_refused_at_wrap() -> None:
    with pytest.raises(PolicyError, match="backend=BackendInfo"):
        wrap({"session.get": contacted()}, region_guard(POLICY))


OBSERVERS: dict[str, Callable[[AuditLog], Middleware]] = {
    "tracing": lambda _: tracing(),
    "metrics": lambda _: metrics(registry=CollectorRegistry()),
    "audit": audit,
}


@pytest.mark.parametrize("name", OBSERVERS)
def test_a_guard_outside_of_an_observer_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        observer, guard, handlers = OBSERVERS[name](log), region_guard(POLICY), {"session.get": contacted()}
        inner = wrap(handlers, observer, backend=BACKEND)
        with pytest.raises(WrapError, match=f"give {name} before region_guard"):
            wrap(handlers, guard, observer, backend=BACKEND)
        with pytest.raises(WrapError, match=f"give {name} before region_guard"):
            wrap(inner, guard)


class TestTelemetryHasARegionToo:
    """`us-data` lets telemetry go to the US only, and admits backends there."""

    backend = BackendInfo("memory", region=US)

    def made(self, name: str, region: str | None, log: AuditLog) -> Middleware:
        log.region = region
        makers: dict[str, Callable[[], Middleware]] = {
            "tracing": lambda: tracing(region=region),
            "metrics": lambda: metrics(registry=CollectorRegistry(), region=region),
            "audit": lambda: audit(log),
        }
        return makers[name]()

    @pytest.mark.parametrize("name", OBSERVERS)
    @pytest.mark.parametrize(("region", "says"), [(None, "has no region="), (EU, f"is in {EU}")])
    def test_what_is_undeclared_or_forbidden_is_refused(
        self, name: str, region: str | None, says: str, tmp_path: Path
    ) -> None:
        handlers = {"session.get": contacted()}
        with AuditLog.open(tmp_path / "audit") as log:
            observer, guard = self.made(name, region, log), region_guard(POLICY)
            inner = wrap(handlers, guard, backend=self.backend)
            with pytest.raises(PolicyError, match=f"{name} {says}"):
                wrap(handlers, observer, guard, backend=self.backend)
            with pytest.raises(PolicyError, match=f"{name} {says}"):
                wrap(inner, observer)

    @pytest.mark.parametrize("name", OBSERVERS)
    def test_what_is_allowed_goes(self, name: str, tmp_path: Path) -> None:
        with AuditLog.open(tmp_path / "audit") as log:
            wrap(
                {"session.get": contacted()}, self.made(name, US, log), region_guard(POLICY), backend=self.backend
            )

    def test_a_rule_that_an_exception_widens_to_the_backend_speaks(self) -> None:
        policy = sound()
        policy["exceptions"][0] |= {"rule": "us-data", "store": ["eu"]}
        guard = region_guard(ResidencyPolicy.from_dict(policy))
        with pytest.raises(PolicyError, match="tracing has no region="):
            wrap({"session.get": contacted()}, tracing(), guard, backend=BACKEND)

    @pytest.mark.parametrize("name", OBSERVERS)
    def test_rules_that_do_not_admit_the_backend_do_not_speak(self, name: str, tmp_path: Path) -> None:
        with AuditLog.open(tmp_path / "audit") as log:
            observer = self.made(name, None, log)
            wrap({"session.get": contacted()}, observer, region_guard(POLICY), backend=BACKEND)
