"""No id in clear and no content in what router and pins tell, whatever they say no to."""

from __future__ import annotations

import traceback
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from storescope import OPERATIONS, BackendError, RecordNotFoundError, StorageError, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import AuditLog, PinRegistry, route_by_region, tracing
from storescope.middleware._region._guard import FixedPolicy
from storescope.middleware._region._labels import Labels
from storescope.middleware._region._moving._move import Mover
from storescope.middleware._region._moving._rows import Side
from storescope.middleware._region._pins._pin import Fence, Pin, PinKey
from tests.middleware.helpers import Seen
from tests.policies import EU_ONLY, FORBIDDEN, REGION

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope import Handlers


class World:
    """A router over two regions in a whole stack, its registry, and all that it tells."""

    def __init__(self, seen: Seen, pins: PinRegistry, mover: Mover, secret: str) -> None:
        self.seen = seen
        self.pins = pins
        self.mover = mover
        self.errors: list[str] = []
        self._secret = secret

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """Return a call of every operation; all ids and contents hold the secret."""
        record = {"sessionId": self._secret, "text": self._secret, self._secret: [self._secret]}
        given = {"session_id": self._secret, "value": record, "updates": record}
        return [
            (name, {"id": f"{self._secret}-{operation.entity}", **given, **self._session(operation.entity)})
            for name, operation in OPERATIONS.items()
        ]

    def _session(self, entity: str) -> dict[str, str]:
        return {"id": self._secret} if entity == "session" else {}

    async def call_everything(self, tenant: str = "acme") -> None:
        """Make them all, and keep what they raise."""
        with call_context(tenant=tenant, region=REGION):
            for name, params in self.calls():
                given = {param: params[param] for param in OPERATIONS[name].params}
                await self.attempt(self.seen.handlers[name](**given))

    async def attempt(self, doing: Any) -> None:
        """Await something, and keep the error that it ends in."""
        try:
            await doing
        except StorageError as error:
            held = (
                "" if isinstance(error, RecordNotFoundError) else repr(vars(error))
            )  # it tells its caller the id
            self.errors.append("".join(traceback.format_exception(error)) + repr(error) + held)

    async def pin(self, **changes: Any) -> None:
        """Change the session's pin behind everybody's back."""
        key = PinKey("session", self._secret)
        await self.pins.engine.put(key.pin, replace(Pin(REGION, "acme"), **changes).to_bytes())

    @property
    def told(self) -> str:
        """Everything that the stack told anybody."""
        spans = [span.to_json() for span in self.seen.spans]
        audit = [path.read_text() for path in self.seen.log.folder.glob("*.jsonl")]
        return "\n".join([*spans, *audit, self.seen.exposition, *self.errors])


def stacked(seen: Seen, routed: Handlers) -> Handlers:
    """Put all other layers around a router; spans name the session by its hash."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(seen.exporter))
    layers = seen.layers()
    return wrap(
        routed, tracing(tracer_provider=provider, session_ids="hashed"), layers["metrics"], layers["audit"]
    )


@asynccontextmanager
async def world(folder: Path, secret: str) -> AsyncGenerator[World]:
    async with (
        open_backend("memory:", region=REGION) as here,
        open_backend("memory:", region=FORBIDDEN) as there,
        await PinRegistry.open("memory:", lease_seconds=1, settle_seconds=0.1, wait_seconds=0.1) as pins,
    ):
        with AuditLog.open(folder / "audit", durability="none") as log:
            seen = Seen(log)
            seen.handlers = stacked(
                seen, route_by_region({REGION: here, FORBIDDEN: there}, EU_ONLY, pins=pins, caller_region=REGION)
            )
            sides = {REGION: Side(REGION, here), FORBIDDEN: Side(FORBIDDEN, there)}
            mover = Mover(pins, FixedPolicy(EU_ONLY), sides, Labels(name_ids=True), lambda _: None)
            yield World(seen, pins, mover, secret)


async def test_good_calls_through_a_router_tell_nothing(secret: str, tmp_path: Path, lines: list[str]) -> None:
    async with world(tmp_path, secret) as here:
        await here.call_everything()
        await here.call_everything()
        assert len(here.seen.spans) == 2 * len(OPERATIONS)
        assert not [error for error in here.errors if "RecordNotFoundError" not in error]
        assert secret not in here.told
    assert secret not in "".join(lines)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tenant": "globex"}, "tenant_mismatch"),
        ({"region": FORBIDDEN}, "backend_region_forbidden"),
        ({"region": "aws:eu-central-1"}, "pin_region_mismatch"),
        ({"fence": Fence("somebody", "move", {})}, "SessionBusyError"),
    ],
    ids=["another tenant", "a forbidden region", "a region without a backend", "being moved"],
)
async def test_denials_because_of_pins_tell_nothing(
    changes: dict[str, Any], says: str, secret: str, tmp_path: Path, lines: list[str]
) -> None:
    async with world(tmp_path, secret) as here:
        await here.pin(**changes)
        await here.call_everything()
        assert sum(says in error for error in here.errors) > 2
        assert secret not in here.told
    assert secret not in "".join(lines)


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"region": 1}'])
async def test_a_pin_that_cannot_be_read_tells_nothing(
    raw: bytes, secret: str, tmp_path: Path, lines: list[str]
) -> None:
    async with world(tmp_path, secret) as here:
        await here.pins.engine.put(PinKey("session", secret).pin, raw + secret.encode())
        await here.call_everything()
        assert here.errors
        assert secret not in here.told
    assert secret not in "".join(lines)


async def test_a_registry_that_fails_tells_nothing(
    secret: str, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise BackendError(f"driver says: {secret}", retryable=True) from ValueError(secret)

    async with world(tmp_path, secret) as here:
        with monkeypatch.context() as broken:
            for name in ("get", "put", "delete", "list"):
                broken.setattr(here.pins.engine, name, fail)
            await here.call_everything()
        assert sum("pins_unreachable" in error for error in here.errors) == len(OPERATIONS)
        assert secret not in here.told
    assert secret not in "".join(lines)


async def test_moves_that_are_refused_tell_nothing(secret: str, tmp_path: Path, lines: list[str]) -> None:
    """A session that is not pinned, is there already, may not go, or has a record with a wrong label."""
    async with world(tmp_path, secret) as here:
        await here.attempt(here.mover.move(secret, FORBIDDEN))
        await here.call_everything()
        for region in (REGION, FORBIDDEN, "aws:eu-central-1"):
            await here.attempt(here.mover.move(secret, region))
        assert len([error for error in here.errors if "MoveRefusedError" in error]) == 4
        assert secret not in here.told
    assert secret not in "".join(lines)
