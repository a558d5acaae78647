"""An S3 server fails in mid-traffic of the KV layer: nothing acknowledged is lost, and the client gets on.

A record and its index entries are several objects: the server may go between any two of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.faults import FAULTS, open_by, open_patiently, run_through, strand
from tests.faults.proxy import Mode, Proxy
from tests.faults.sites import TIMEOUT
from tests.faults.traffic import SLACK, check_error
from tests.rounds import LONG

if TYPE_CHECKING:
    from tests.faults.sites import S3Site

REQUESTS = 8
"""The longest write, the move of a record, is so many requests, one after the other."""

IN_SHORT = ("killed", "connections reset", "answers lost")
NAMES = tuple(name for name in FAULTS if name != "connections stranded") if LONG else IN_SHORT
"""Of stranded connections one writer meets some and another none: reads are sent again, on a new one."""


@pytest.mark.parametrize("name", NAMES)
async def test_a_fault_in_mid_traffic(s3_site: S3Site, name: str) -> None:
    """Killed, too: the gateway is up again before what is behind it, and applies what it has held meanwhile."""
    fault = FAULTS[name]._replace(late=True)
    traffic = await run_through(fault, s3_site, limit=REQUESTS * TIMEOUT)
    async with open_backend(s3_site.url) as backend:
        await audit(backend, traffic.ledger)


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.RESET, Mode.REFUSE, Mode.DEAF])
async def test_what_a_fault_says(s3_site: S3Site, mode: Mode) -> None:
    """A read says nothing of a write, a write that may have arrived says so; opening is bounded too."""
    with Proxy(s3_site.port) as proxy:
        async with await open_patiently(proxy, s3_site) as backend:
            proxy.switch(mode)
            begun = time.monotonic()
            for operation, key in (("session.get", "id"), ("part.listBySession", "session_id")):
                with pytest.raises(BackendError) as read:
                    await backend[operation](**{key: "s"})
                check_error(read.value)
                assert not read.value.maybe_applied
            with pytest.raises(BackendError) as written:
                await backend["session.set"](id="s", value={})
            check_error(written.value)
            with pytest.raises(BackendError) as opened:
                await open_by(proxy, s3_site)
            check_error(opened.value)
            assert not opened.value.maybe_applied
            assert time.monotonic() - begun < REQUESTS * TIMEOUT + SLACK


async def test_connections_that_end_nowhere_cost_one_time_out_and_not_one_each(s3_site: S3Site) -> None:
    """A server that was replaced sends no reset. Its connections are left together, once one is found out."""
    with Proxy(s3_site.port) as proxy:
        async with await open_patiently(proxy, s3_site) as backend:
            await strand(proxy, backend)
            assert await backend["setup.get"](id="s3") == {"n": -3}
