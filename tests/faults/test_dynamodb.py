"""DynamoDB that fails in mid-traffic, and a client that is killed. All faults of the others: in make test-long."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tests.faults.faults import opened_by
from tests.faults.proxy import Proxy
from tests.faults.sites import TIMEOUT
from tests.faults.test_killed_client import kill_again_and_again
from tests.faults.test_servers import hold_to_account
from tests.faults.traffic import Traffic
from tests.rounds import SCALE

if TYPE_CHECKING:
    from tests.faults.sites import DynamoSite


ROUNDS = 7 * SCALE if SCALE > 1 else 3
"""In make test a few: the writer imports the SDK for a second each time."""


async def test_a_server_killed_in_mid_traffic(dynamodb_site: DynamoSite) -> None:
    with Proxy(dynamodb_site.port) as proxy:
        async with opened_by(proxy, dynamodb_site) as backend, Traffic(backend, limit=TIMEOUT) as traffic:
            await traffic.get_on()
            dynamodb_site.kill()
            await traffic.feel_it()
            dynamodb_site.start()
            await traffic.get_on()
    await hold_to_account(dynamodb_site, traffic)


async def test_a_killed_client_loses_nothing(dynamodb_site: DynamoSite) -> None:
    """Also in the midst of an insert, a move and what takes one back, which are several requests."""
    await kill_again_and_again(
        lambda: dynamodb_site.url.replace("faults", f"faults-{uuid4().hex}"),
        dynamodb_site.settle,
        rounds=ROUNDS,
        most_lines=40,
    )
