"""From a URL to a connected cluster, with one clear line for each thing that can be wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from redis import exceptions as redis_errors

from storescope import BackendError
from storescope.backends._redis._connect import Address, Connecting, explain, find_limit
from storescope.backends._redis._connection import close
from storescope.backends._redis._errors import DRIVER_ERRORS, backend_error
from storescope.backends._redis_cluster._client import SLOTS, ClusterClient

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from storescope.backends._links import Links
    from storescope.backends._options import Target
    from storescope.backends._redis._connect import RedisOptions

_KIND = "+cluster"


def read_addresses(target: Target) -> list[Address]:
    """Take the URL apart.

    Raises:
        BackendError: If it is not `redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]`.
    """
    who, _, hosts = target.rest.removeprefix("//").rpartition("@")
    try:
        if not target.rest.startswith("//"):
            raise ValueError  # noqa: TRY301 (to the one text below)
        return [_read_address(f"//{who}@{host}" if who else f"//{host}") for host in hosts.rstrip("/").split(",")]
    except ValueError:
        raise BackendError(
            f"a cluster's URL is {target.scheme}://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...], without a "
            "database, for it has but one; percent-encode what names and passwords have beyond letters and digits"
        ) from None


def _read_address(text: str) -> Address:
    parts = urlsplit(text)
    if not parts.hostname or parts.path or parts.fragment:
        raise ValueError
    return Address(
        parts.hostname,
        parts.port or 6379,
        0,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


async def connect(
    target: Target, addresses: list[Address], options: RedisOptions, links: Links
) -> tuple[ClusterClient, int]:
    """Connect, and make sure that the cluster can be used.

    Returns:
        The client, and the longest value that a node takes, in bytes.

    Raises:
        BackendError: If it cannot be reached or used. Nothing was changed.
    """
    connecting = Connecting.make(target, options, links, tls=target.scheme.startswith("rediss"))
    max_bytes = await _ask_first(addresses, connecting, options)
    client = ClusterClient(addresses, connecting, timeout=options.timeout)
    try:
        async with asyncio.timeout(options.timeout):
            await client.initialize()
    except DRIVER_ERRORS as error:
        await close(client)
        raise backend_error("the cluster's nodes and slots cannot be looked up", error) from None
    except BaseException:
        await close(client)
        raise
    return client, max_bytes


async def _ask_first(addresses: list[Address], connecting: Connecting, options: RedisOptions) -> int:
    """Ask the first node that answers how the cluster is; return the longest value that it takes, in bytes."""
    for address in addresses:
        client = connecting.to(address)
        try:
            async with asyncio.timeout(options.timeout):
                await _check_cluster(client, address)
                return await find_limit(client)
        except DRIVER_ERRORS as error:
            failure = explain(error, address, tls=connecting.tls, kind=_KIND)
        except BackendError as error:
            failure = error
        finally:
            await close(client)
        if not failure.retryable or address is addresses[-1]:  # else another may be better off
            raise failure from None
    raise AssertionError  # a URL has an address


async def _check_cluster(client: Redis, address: Address) -> None:
    where = f"{address.host}:{address.port}"
    try:
        told: dict[str, str] = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call] # redis-py has no type
    except redis_errors.NoPermissionError:
        raise BackendError(
            f"redis: this user may not ask {where} where the cluster's slots are; allow it +cluster|slots, "
            "+cluster|info, +cluster|nodes and +command"
        ) from None
    except redis_errors.ResponseError as error:
        if isinstance(error, redis_errors.BusyLoadingError):
            raise
        raise backend_error(
            f"{where} is a single server and no cluster; use redis:// or rediss://", error
        ) from None
    if told["cluster_state"] != "ok":
        raise _down(where, told)


def _down(where: str, told: dict[str, Any]) -> BackendError:
    """Return the error for a cluster that serves nobody."""
    assigned, served = int(told["cluster_slots_assigned"]), int(told["cluster_slots_ok"])
    if assigned < SLOTS:
        why = (
            f"{SLOTS - assigned:,} of its {SLOTS:,} slots belong to no node; redis-cli --cluster fix assigns them"
        )
    elif served < SLOTS:
        why = (
            f"{SLOTS - served:,} of its {SLOTS:,} slots are on nodes that do not answer; "
            "bring these back, or let a replica take over (CLUSTER FAILOVER TAKEOVER)"
        )
    else:
        why = "this node does not see the majority of the primaries; bring the others back"
    return BackendError(
        f"redis: the cluster is down, says {where}: {why}", driver_error="redis.ClusterDownError", retryable=True
    )
