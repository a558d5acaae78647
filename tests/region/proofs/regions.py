"""Two regions and a registry on disk, with a session of acme's in the first: what the tests of proofs move."""

from __future__ import annotations

import asyncio
import io
import sys
from contextlib import AsyncExitStack, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from storescope import call_context, wrap
from storescope.apps._cli import _run
from storescope.backends import open_backend
from storescope.middleware import PinRegistry, ResidencyPolicy, route_by_region
from storescope.middleware._region._pins._pin import PinKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from storescope.backends import Backend
    from storescope.middleware._region._pins._pin import Pin

EU, US = "aws:eu-west-1", "aws:us-east-1"
CANARY = "canary-4711"
SESSION = "s-canary-id"
POLICY = f"""
schema = "residency/1"
version = "7"
mode = "enforce"
min_confidence = "declared"
[regions]
eu = ["{EU}"]
us = ["{US}"]
[tenants]
acme = "anywhere"
globex = "eu-only"
[rules.anywhere]
store = ["eu", "us"]
access = ["eu", "us"]
home = "{EU}"
[rules.eu-only]
store = ["eu"]
access = ["eu"]
home = "{EU}"
"""
RECORDS: dict[tuple[str, str], dict[str, Any]] = {
    ("session", SESSION): {"title": CANARY},
    ("message", "m1"): {"sessionId": SESSION, "text": CANARY},
    ("message", "m2"): {"sessionId": SESSION, "text": CANARY, "n": 1.0},
    ("part", "p1"): {"sessionId": SESSION, "messageId": "m1", "text": CANARY},
}


class World(NamedTuple):
    """The open stores, and the registry."""

    folder: Path
    stores: dict[str, Backend]
    pins: PinRegistry

    async def pin(self) -> Pin:
        """Return the session's pin."""
        seen = await self.pins.fences.read(PinKey("session", SESSION))
        assert seen is not None
        return seen.pin

    async def rows(self, region: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Return all records of a store, without their labels."""
        return {
            (entity, row.id): {name: value for name, value in row.record.items() if name != "$residency"}
            for entity in ("session", "message", "part")
            for row in (await self.stores[region].admin.scan(entity, every_tenant=True)).records
        }


async def opened(folder: Path, stack: AsyncExitStack) -> World:
    """Open them in a folder."""
    stores = {
        region: await stack.enter_async_context(open_backend(f"local:{folder / name}", region=region))
        for region, name in ((EU, "eu"), (US, "us"))
    }
    return World(
        folder, stores, await stack.enter_async_context(await PinRegistry.open(f"local:{folder / 'pins'}"))
    )


async def fill(world: World, tenant: str = "acme") -> None:
    """Write the session of a tenant."""
    policy = ResidencyPolicy.load(world.folder / "policy.toml")
    handlers = wrap(route_by_region(world.stores, policy, pins=world.pins, caller_region=EU))
    with call_context(tenant=tenant):
        for (entity, id_), value in RECORDS.items():
            await handlers[f"{entity}.set"](id=id_, value=value)
    await world.pins.leases.give_back(PinKey("session", SESSION))


def inside(folder: Path, do: Callable[[World], Awaitable[Any]]) -> Any:
    """Do something with the open stores."""

    async def run() -> Any:
        async with AsyncExitStack() as stack:
            return await do(await opened(folder, stack))

    return asyncio.run(run())


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """What somebody looks at."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def command(*arguments: object, err: io.StringIO | None = None) -> Done:
    """Run `storescope` in this process."""
    out, err = io.StringIO(), err or io.StringIO()
    with (
        patch.object(sys, "argv", ["storescope", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = _run()
    assert CANARY not in out.getvalue() + err.getvalue()
    assert "Traceback" not in err.getvalue()
    return Done(code, out.getvalue(), err.getvalue())


def make(folder: Path, tenant: str = "acme") -> Path:
    """Make it all in a folder, and return that."""
    (folder / "policy.toml").write_text(POLICY)
    inside(folder, lambda world: fill(world, tenant))
    return folder


def move_arguments(folder: Path, *more: object, to: str = US, session: str = SESSION) -> list[str]:
    """Return the arguments of a move in a folder; its proof goes to `proofs` there."""
    where = ("--pins", f"local:{folder / 'pins'}", "--proof", folder / "proofs", *stores_in(folder))
    given = ("residency", "move", session, "--to", to, "--policy", folder / "policy.toml", *where, *more)
    return list(map(str, given))


def stores_in(folder: Path) -> list[str]:
    """Return the options that name both stores."""
    return ["--backend", f"{EU}=local:{folder / 'eu'}", "--backend", f"{US}=local:{folder / 'us'}"]


def move(folder: Path, *more: object, to: str = US, session: str = SESSION) -> Done:
    """Move the session."""
    return command(*move_arguments(folder, *more, to=to, session=session))


def verify(folder: Path, *more: object, proof: Path | None = None) -> Done:
    """Verify the proof by its key, and against both stores."""
    key = folder / "proofs" / "residency.pub"
    arguments = ("--key", key, "--session", SESSION, *stores_in(folder), *more)
    return command("residency", "verify-proof", proof or proof_in(folder), *arguments)


def proof_in(folder: Path) -> Path:
    """Return the one proof that there is."""
    (proof,) = (folder / "proofs").glob("*.json")
    return proof
