"""A residency policy that denies, and an audit log that shows it.

    python examples/policy_that_denies.py

The store is in Ireland. One tenant's data may rest there, another's may not, and nobody knows of a third.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from storescope import ResidencyError, StorageClient, Store, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import AuditLog, ResidencyPolicy, audit, region_guard

POLICY = ResidencyPolicy.load(Path(__file__).with_name("policy.toml"))
CALLS = (
    ("acme", "aws:eu-west-1"),
    ("acme", "aws:us-east-1"),
    ("globex", "aws:eu-west-1"),
    ("nobody-knows", "aws:eu-west-1"),
    (None, "aws:eu-west-1"),
)


async def main(folder: Path) -> None:
    """Make the same call for several tenants from several regions."""
    async with open_backend("memory:", region="aws:eu-west-1") as backend, AuditLog.open(folder / "audit") as log:
        handlers = wrap(backend, audit(log), region_guard(POLICY))

        async def storage(store: Store) -> Any:
            return await store.on(handlers)

        agent = StorageClient(storage)
        for tenant, region in CALLS:
            with call_context(tenant=tenant, actor="example", region=region):
                try:
                    await agent.session.set("s1", {"createdAt": 1})
                    print(f"{tenant or 'no tenant'} from {region}: stored")
                except ResidencyError as error:
                    print(f"{tenant or 'no tenant'} from {region}: {error}")
    print(f"{log.stats.records['outcome']} outcomes in the audit log")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(main(Path(scratch)))
