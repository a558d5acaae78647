"""One of several processes that work on one store: `worker.py URL ENTITY FIRST COUNT`.

It opens the store, says so, waits for a line, and updates the record `r` COUNT times at once, a field each.
"""

from __future__ import annotations

import asyncio
import sys

from storescope.backends import open_backend


async def main(url: str, entity: str, first: int, count: int) -> None:
    async with open_backend(url) as backend:
        print("open", flush=True)  # noqa: T201 (for the test that waits)
        await asyncio.to_thread(sys.stdin.readline)
        update = backend[f"{entity}.update"]
        fields = range(first, first + count)
        returned = await asyncio.gather(*(update(id="r", updates={f"f{n}": n}) for n in fields))
        for number, record in zip(fields, returned, strict=True):
            if record[f"f{number}"] != number:
                raise SystemExit(f"f{number} is not in what its update returned")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
