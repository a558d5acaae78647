"""What happens to a server while traffic runs on it, and the traffic that runs through that."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.patience import patiently
from tests.faults.proxy import Mode, Proxy
from tests.faults.sites import CONNECTIONS, TIMEOUT, go_on, stop
from tests.faults.traffic import Traffic, check_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from storescope.backends import Backend
    from storescope.backends._open import Opening
    from tests.faults.sites import Site

TRIES = 3
"""How often a fault that gives no answer is caused: once in some hundred times it meets nothing but reads."""


class Fault(NamedTuple):
    """Something that happens to a server.

    Attributes:
        begin: Makes it happen.
        end: Makes it pass; given what `begin` returned.
        late: Whether the server may yet apply, after it, what a client has given up.
        silent: Whether calls end without any answer, so that the fate of some writes is open for certain.
    """

    begin: Callable[[Site, Proxy], Any]
    end: Callable[[Site, Proxy, Any], Any]
    late: bool = False
    silent: bool = False


def by_proxy(mode: Mode, *, late: bool = False, silent: bool = False) -> Fault:
    return Fault(
        lambda site, proxy: proxy.switch(mode),
        lambda site, proxy, begun: proxy.switch(Mode.PASS),
        late=late,
        silent=silent,
    )


FAULTS = {
    "killed": Fault(lambda site, proxy: site.kill(), lambda site, proxy, begun: site.start()),
    "stopped": Fault(
        lambda site, proxy: stop(site), lambda site, proxy, begun: go_on(begun), late=True, silent=True
    ),
    "connections reset": by_proxy(Mode.RESET, late=True),
    "connections refused": by_proxy(Mode.REFUSE, late=True),
    "a black hole": by_proxy(Mode.BLACK_HOLE, silent=True),
    "answers lost": by_proxy(Mode.DEAF, silent=True),
    "connections stranded": by_proxy(Mode.STRANDED, silent=True),
}


def open_by(proxy: Proxy, site: Site) -> Opening:
    return open_backend(site.behind(proxy), **site.limits)


async def open_patiently(proxy: Proxy, site: Site) -> Backend:
    """Open the store behind a proxy; again, while a busy machine takes longer than the short limits."""
    return await patiently(lambda: open_by(proxy, site))


@asynccontextmanager
async def opened_by(proxy: Proxy, site: Site) -> AsyncGenerator[Backend]:
    async with await open_patiently(proxy, site) as backend:
        yield backend


async def run_through(fault: Fault, site: Site, *, limit: float = TIMEOUT) -> Traffic:
    """Let a fault happen in mid-traffic, and the traffic get on after it; return what it did.

    Args:
        fault: The fault.
        site: The server.
        limit: The longest that a call may take, in seconds.
    """
    with Proxy(site.port) as proxy:
        async with opened_by(proxy, site) as backend, Traffic(backend, limit=limit, late=fault.late) as traffic:
            await traffic.get_on()
            for _ in range(TRIES if fault.silent else 1):
                begun = await asyncio.to_thread(fault.begin, site, proxy)  # the traffic goes on meanwhile
                try:
                    await traffic.feel_it()
                finally:
                    await asyncio.to_thread(fault.end, site, proxy, begun)
                await traffic.get_on()
                if any(error.maybe_applied for error in traffic.errors):
                    break
    assert not fault.silent or any(error.maybe_applied for error in traffic.errors)
    return traffic


async def strand(proxy: Proxy, backend: Backend) -> None:
    """Let connections end nowhere: one write is lost to that, and those after it go through."""
    put = backend["setup.set"]
    await asyncio.gather(*(put(id=f"s{n}", value={"n": n}) for n in range(4 * CONNECTIONS)))
    proxy.switch(Mode.STRANDED)
    with pytest.raises(BackendError) as caught:
        await put(id="s0", value={"n": "lost"})
    check_error(caught.value)
    assert caught.value.maybe_applied
    for number in range(CONNECTIONS):
        await put(id=f"s{number}", value={"n": -number})
