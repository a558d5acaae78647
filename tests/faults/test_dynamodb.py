"""DynamoDB that fails in mid-traffic: nothing acknowledged is lost, and the client gets on by itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from storescope import BackendError
from tests.faults.proxy import Mode, Proxy
from tests.faults.sites import TIMEOUT
from tests.faults.test_killed_client import kill_again_and_again
from tests.faults.test_servers import FAULTS, hold_to_account, open_by
from tests.faults.traffic import Traffic, check_error

if TYPE_CHECKING:
    from tests.faults.sites import DynamoSite
    from tests.faults.test_servers import Fault

ROUNDS = 7 * int(os.environ.get("STORESCOPE_ROUNDS_SCALE", "1")) - 3
"""4, and 207 in make test-long: the writer imports the SDK for a second or two each time."""

SOME = ("killed", "connections reset", "answers lost")


@pytest.mark.parametrize("fault", [FAULTS[name] for name in SOME], ids=SOME)
async def test_a_fault_in_mid_traffic(dynamodb_site: DynamoSite, fault: Fault) -> None:
    """A move takes several requests, of which a late one may land: records of open fate are written no more."""
    with Proxy(dynamodb_site.port) as proxy:
        async with open_by(proxy, dynamodb_site) as backend, Traffic(backend, limit=TIMEOUT, late=True) as traffic:
            await traffic.get_on()
            begun = fault.begin(dynamodb_site, proxy)
            try:
                await traffic.feel_it()
            finally:
                fault.end(dynamodb_site, proxy, begun)
            await traffic.get_on()
    await hold_to_account(dynamodb_site, traffic)


async def test_connections_that_end_nowhere_cost_one_time_out_and_not_one_each(dynamodb_site: DynamoSite) -> None:
    with Proxy(dynamodb_site.port) as proxy:
        async with open_by(proxy, dynamodb_site) as backend:
            await backend["setup.set"](id="s", value={"n": 1})
            proxy.switch(Mode.STRANDED)
            with pytest.raises(BackendError) as caught:
                await backend["setup.set"](id="s", value={"n": 2})
            check_error(caught.value)
            assert caught.value.maybe_applied
            await backend["setup.set"](id="s", value={"n": 3})
            assert await backend["setup.get"](id="s") == {"n": 3}


async def test_a_killed_client_loses_nothing(dynamodb_site: DynamoSite) -> None:
    await kill_again_and_again(
        lambda: dynamodb_site.url.replace("faults", f"faults-{uuid4().hex}"),
        dynamodb_site.settle,
        rounds=ROUNDS,
        pace=8,
    )
