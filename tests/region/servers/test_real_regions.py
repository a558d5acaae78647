"""The laws of pins on real servers: two stores and a registry, several processes, and all of them are killed."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from storescope import call_context
from tests.faults.ledger import Fate, History, Ledger
from tests.faults.proxy import Mode, Proxy
from tests.region.policies import EU, US
from tests.region.servers.fleet import Fleet
from tests.region.servers.judge import judge
from tests.region.servers.logbook import Logbook, Pages, SpokenLedger, ledger_of
from tests.region.servers.places import ALLOWED, SHARED, TIMEOUT, Opened, Places, opened
from tests.rounds import LONG
from tests.servers import PostgresServer, RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.unmeasured, pytest.mark.timeout(3_600 if LONG else 600)]  # it waits for conditions

RUNS, FAULTS, AGENTS = (8, 6, 4) if LONG else (1, 0, 2)
KINDS = [
    ("redis", "redis", ("everything", "unplugged")),
    ("postgres", "postgres", ("everything",)),
    *((stores, registry, ()) for stores, registry in (("redis", "postgres"), ("postgres", "redis")) if LONG),
]
"""What the stores and the registry are on, and what happens in any case; `FAULTS` more are drawn."""

Server = PostgresServer | RedisServer


class Servers:
    """A server for each region and one for the registry, each with a proxy; those of the stores listen."""

    def __init__(self, eu: Server, us: Server, registry: Server, stack: ExitStack) -> None:
        words = [tenant.encode() for tenant in ALLOWED]
        self.all = (eu, us, registry)
        self.regions = {EU: eu, US: us}
        self.registry = registry
        self.proxies = {
            region: stack.enter_context(Proxy(server.port, words=words)) for region, server in self.regions.items()
        }
        self.to_registry = stack.enter_context(Proxy(registry.port))

    def places(self, name: str) -> tuple[Places, Places, Places]:
        """Return where an empty world lies: for agents and the mover, by way of proxies, and directly."""
        direct = {region: _url(server, name) for region, server in self.regions.items()}
        by_proxy = {region: self.proxies[region].url(url) for region, url in direct.items()}
        registry = _url(self.registry, f"{name}_pins")
        return (
            Places(by_proxy, self.to_registry.url(registry)),
            Places(by_proxy, registry),
            Places(direct, registry),
        )


def _url(server: Server, name: str) -> str:
    limits = f"timeout={TIMEOUT}&connect_timeout={TIMEOUT}"
    if isinstance(server, RedisServer):
        return f"{server.url}?prefix={name}&{limits}"
    return f"{server.url}?schema={name}&migrate=true&statement_timeout={TIMEOUT * 0.8}&{limits}"


@contextmanager
def started(kinds: Sequence[str], folder: Path) -> Generator[list[Server]]:
    """Start servers that keep what they acknowledged; further ones of Postgres are copies of the first."""
    with ExitStack() as stack:
        servers: list[Server] = []
        for number, kind in enumerate(kinds):
            first = next((each for each in servers if isinstance(each, PostgresServer)), None)
            server: Server
            if kind == "redis":
                own = folder / f"redis-{number}"
                own.mkdir()
                server = RedisServer(own, durable=True)
            elif first is None:
                server = PostgresServer().create()
                server.kill()
            else:
                server = first.copy()
            stack.callback(server.kill if isinstance(server, RedisServer) else server.remove)
            servers.append(server)
        for server in servers:
            server.start()
        yield servers


async def begin(here: Opened, ledger: Ledger) -> None:
    """Write the records that are there from the first: other tenants try to reach them."""
    handlers = here.routed()
    for tenant, sessions in SHARED.items():
        records = [("session", session) for session in sessions]
        records += [(entity, f"{tenant}-first-{entity}") for entity in ("message", "part", "sandbox", "setup")]
        for entity, id_ in records:
            history = History(entity, id_)
            attempt = history.attempt("set", sessions[0] if entity in {"message", "part"} else None, "")
            ledger.begin(history, attempt)
            with call_context(tenant=tenant):
                await handlers[f"{entity}.set"](id=id_, value=attempt.body)
            ledger.end(attempt, Fate.ACKNOWLEDGED)


def restart(fleet: Fleet, *servers: Server) -> None:
    """Kill servers, let everybody feel it, and start them again."""
    for server in servers:
        server.kill()
    try:
        fleet.feel_it()
    finally:
        for server in servers:
            server.start()


def faults_on(fleet: Fleet, servers: Servers) -> dict[str, Callable[[], None]]:
    """Return what can happen."""

    def everything() -> None:
        fleet.replace_mover()
        fleet.replace_agent()
        restart(fleet, servers.registry, servers.regions[EU])

    def unplugged() -> None:
        """Agents do not reach the registry: their leases end, and sessions are moved away from under them."""
        servers.to_registry.switch(Mode.REFUSE)
        try:
            fleet.feel_it()
            fleet.move_on()
        finally:
            servers.to_registry.switch(Mode.PASS)

    return {
        "everything": everything,
        "unplugged": unplugged,
        "agent": fleet.replace_agent,
        "mover": fleet.replace_mover,
        "registry": lambda: restart(fleet, servers.registry),
        "eu": lambda: restart(fleet, servers.regions[EU]),
        "us": lambda: restart(fleet, servers.regions[US]),
        "all servers": lambda: restart(fleet, *servers.all),
    }


async def run(servers: Servers, folder: Path, seed: int, first: Sequence[str]) -> None:
    """Let a fleet work through these faults and some more, kill it, and judge what is left."""
    for_agents, for_mover, direct = servers.places(f"run_{uuid4().hex[:12]}")
    async with opened(direct) as here:
        await begin(here, SpokenLedger(Logbook(folder / "first.log")))
    with Fleet(folder, for_agents, for_mover, AGENTS) as fleet:
        fleet.get_on()
        faults = faults_on(fleet, servers)
        for name in [*first, *Random(seed).choices(list(faults), k=FAULTS)]:
            faults[name]()
            fleet.get_on()
    ledger = ledger_of([*Pages(folder / "first.log").read(), *fleet.lines])
    async with opened(direct) as here:
        await judge(here, ledger)
    assert_denied(fleet.lines)


def assert_denied(lines: list[list[Any]]) -> None:
    """Hold the other tenants' attempts to what they end in: nobody was let near, whatever else was going on."""
    codes = [line[3] for line in lines if line[1] == "denied"]
    assert codes.count("tenant_mismatch") > len(ALLOWED)
    assert set(codes) <= {"tenant_mismatch", "pins_unreachable"}


@pytest.mark.parametrize(("stores", "registry", "first"), KINDS, ids=[f"{each[0]}-{each[1]}" for each in KINDS])
async def test_sessions_stay_whole_and_where_they_may_be(
    stores: str, registry: str, first: Sequence[str], tmp_path: Path
) -> None:
    """No session is split, nothing acknowledged is lost, no other's record and no forbidden server is reached."""
    with started([stores, stores, registry], tmp_path) as (eu, us, pins), ExitStack() as stack:
        servers = Servers(eu, us, pins, stack)
        for number in range(RUNS):
            folder = tmp_path / f"run-{number}"
            folder.mkdir()
            await run(servers, folder, number, first)
        heard = {region: proxy.heard for region, proxy in servers.proxies.items()}
    assert heard[EU][b"globex"] == heard[US][b"acme"] == 0
    assert min(heard[EU][b"acme"], heard[US][b"globex"], heard[EU][b"initech"], heard[US][b"initech"]) > 0
