"""How sessions are spread over the nodes of a Redis cluster: `cluster_sessions.py URL [SESSIONS]`."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import RedisCluster

from storescope.backends import open_backend

AT_ONCE = 50


async def write(url: str, sessions: int) -> None:
    """Write that many sessions."""
    async with open_backend(url) as backend:
        names = iter(range(sessions))

        async def work() -> None:
            for number in names:
                await backend["session.set"](id=f"session-{number}", value={"createdAt": number})

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def count(url: str) -> list[int]:
    """Ask each node how many of the sessions it has; return the numbers, the largest first."""
    parts = urlsplit(url)
    prefix = parse_qs(parts.query).get("prefix", ["storescope"])[0]
    host, _, port = parts.netloc.split(",")[0].partition(":")
    found: list[int] = []
    async with RedisCluster(host, int(port)) as client:
        for node in client.get_primaries():
            keys = client.scan_iter(f"{prefix}:{{:session-*}}:session", 1_000, target_nodes=node)
            found.append(len({key async for key in keys}))
    return sorted(found, reverse=True)


async def main(url: str, sessions: int = 10_000) -> None:
    """Write them, and print where they are."""
    await write(url, sessions)
    shares = await count(url)
    print(f"{sum(shares):,} sessions on {len(shares)} nodes:")
    print(", ".join(f"{share / sum(shares):.0%}" for share in shares))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
