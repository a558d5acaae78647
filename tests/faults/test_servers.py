"""Redis, its cluster and Postgres fail in mid-traffic: nothing acknowledged is lost, and the client gets on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.faults import FAULTS, open_by, open_patiently, opened_by, run_through, strand
from tests.faults.proxy import Mode, Proxy
from tests.faults.sites import CONNECTIONS, TIMEOUT
from tests.faults.traffic import SLACK, Traffic, check_error

if TYPE_CHECKING:
    from tests.faults.faults import Fault
    from tests.faults.sites import Site


async def hold_to_account(site: Site, traffic: Traffic) -> None:
    await site.settle()
    async with open_backend(site.url) as backend:
        await audit(backend, traffic.ledger)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_in_mid_traffic(site: Site, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    traffic = await run_through(fault, site)
    assert not [record.name for record in caplog.records if record.name.startswith(("asyncpg", "redis"))]
    await hold_to_account(site, traffic)


async def test_a_slow_network_is_no_error(site: Site) -> None:
    with Proxy(site.port) as proxy:
        async with open_backend(site.behind(proxy), max_connections=CONNECTIONS) as backend:
            proxy.switch(Mode.SLOW)
            async with Traffic(backend, limit=5) as traffic:
                await traffic.get_on(3)
    assert traffic.errors == []
    await hold_to_account(site, traffic)


async def test_a_restart_while_nobody_calls_goes_unnoticed(site: Site) -> None:
    async with open_backend(site.url) as backend:
        async with Traffic(backend, limit=5) as before:
            await before.get_on()
        site.kill()
        site.start()
        await asyncio.sleep(0.1)  # the loop learns that the connections are closed
        async with Traffic(backend, limit=5) as after:
            await after.get_on()
    assert before.errors == after.errors == []


async def test_connections_that_end_nowhere_cost_one_time_out_and_not_one_each(site: Site) -> None:
    """A server that was replaced sends no reset. Its connections are left together, once one is found out."""
    with Proxy(site.port) as proxy:
        async with opened_by(proxy, site) as backend:
            await strand(proxy, backend)
            put = backend["setup.set"]
            await asyncio.gather(*(put(id=f"s{n}", value={"n": -n}) for n in range(2 * CONNECTIONS)))
            assert await backend["setup.get"](id="s3") == {"n": -3}


async def test_a_read_that_is_given_up_says_nothing_of_a_write(site: Site) -> None:
    with Proxy(site.port) as proxy:
        async with opened_by(proxy, site) as backend:
            for mode in (Mode.BLACK_HOLE, Mode.RESET, Mode.REFUSE):
                proxy.switch(mode)
                for operation in ("session.get", "message.get", "part.listBySession"):
                    key = "session_id" if operation.endswith("Session") else "id"
                    with pytest.raises(BackendError) as caught:
                        await backend[operation](**{key: "s"})
                    check_error(caught.value)
                    assert not caught.value.maybe_applied


async def test_a_write_that_was_never_sent_says_so(site: Site) -> None:
    """Nothing listens, or what listens says nothing: no connection, so nothing was written."""
    with Proxy(site.port) as proxy:
        async with opened_by(proxy, site) as backend:
            for mode in (Mode.REFUSE, Mode.BLACK_HOLE):
                proxy.switch(Mode.RESET)
                proxy.switch(mode)
                await asyncio.sleep(0.05)  # the loop learns that the connections are closed
                with pytest.raises(BackendError) as caught:
                    await backend["message.set"](id="m", value={"sessionId": "s"})
                check_error(caught.value)
                assert not caught.value.maybe_applied


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.RESET, Mode.REFUSE, Mode.DEAF])
async def test_opening_and_closing_are_bounded_too(site: Site, mode: Mode) -> None:
    with Proxy(site.port) as proxy:
        backend = await open_patiently(proxy, site)
        await asyncio.gather(*(backend["setup.get"](id=f"s{n}") for n in range(CONNECTIONS)))
        proxy.switch(mode)
        begun = time.monotonic()
        with pytest.raises(BackendError) as caught:
            await open_by(proxy, site)
        check_error(caught.value)
        assert not caught.value.maybe_applied
        await backend.aclose()
        assert time.monotonic() - begun < 2 * TIMEOUT + SLACK


@pytest.mark.parametrize("site", ["postgres", "redis"], indirect=True)
async def test_the_kv_layer_over_a_server_that_is_killed(site: Site) -> None:
    """A record and its index entries are several writes: the server may go between any two of them."""
    async with open_backend(f"kv+{site.url}", **site.limits) as backend:
        async with Traffic(backend, limit=TIMEOUT * 8) as traffic:  # a write is up to eight requests
            await traffic.get_on()
            site.kill()
            await traffic.feel_it()
            site.start()
            await traffic.get_on()
        await audit(backend, traffic.ledger)
