"""One worker of a service that runs in several processes; the test starts it with PROMETHEUS_MULTIPROC_DIR set."""

from __future__ import annotations

import asyncio
import sys

from storescope import BackendInfo, wrap
from storescope.middleware import metrics


async def get(*, id: str) -> None:
    """A handler of its own; `stay` keeps its calls in flight."""
    if id == "stay":
        await asyncio.sleep(60)
    if id == "bad":
        raise ValueError(id)


async def main(calls: int) -> None:
    """Make calls, keep one in flight, say so, and stay until stdin is closed."""
    handlers = wrap({"session.get": get}, metrics(), backend=BackendInfo("memory", region="r"))
    for _ in range(calls):
        await handlers["session.get"](id="good")
    await asyncio.gather(handlers["session.get"](id="bad"), return_exceptions=True)
    staying = asyncio.create_task(handlers["session.get"](id="stay"))
    await asyncio.sleep(0.01)
    print("ready", flush=True)  # noqa: T201 (to the test)
    await asyncio.to_thread(sys.stdin.read)
    staying.cancel()


asyncio.run(main(int(sys.argv[1])))
