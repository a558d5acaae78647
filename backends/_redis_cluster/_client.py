"""redis-py's client of a cluster, with a way of its own to take redirections and to look at the cluster again.

What redis-py 8.1 does with them would cost calls their answers. It sends ASKING and the command that it is for on
two connections, so that a slot on its way between nodes is asked for until it gives up. It knows no node that
joined after it last looked. Whenever a node fails or says that the cluster is down, it closes connections in the
midst of other calls, whose writes then have an unknown fate, and the next call waits until all is looked up anew.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors
from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster

from storescope.backends._redis._errors import DRIVER_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.backends._redis._connect import Address, Connecting

SLOTS = 16_384

_REDIRECTIONS = 16
_TRY_AGAIN = 0.02  # seconds; the node is moving the key at this moment
_REST = 0.1  # seconds between two looks at the cluster
_NODE_CONNECTIONS = 1_000  # the number of calls is held elsewhere
_FAILURES = (redis_errors.ConnectionError, redis_errors.TimeoutError, redis_errors.ClusterDownError, OSError)


class ClusterClient(RedisCluster):
    """Each command goes to the primary of its key's slot, wherever that is by now."""

    def __init__(self, addresses: Sequence[Address], connecting: Connecting, *, timeout: float) -> None:
        arguments = dict(connecting.arguments)
        arguments.update(username=addresses[0].username, password=addresses[0].password, ssl=connecting.tls)
        super().__init__(
            startup_nodes=[ClusterNode(address.host, address.port) for address in addresses],
            dynamic_startup_nodes=True,
            require_full_coverage=False,  # the cluster's own setting decides, and says so
            max_connections=_NODE_CONNECTIONS,
            **arguments,
        )
        # redis-py takes no class of connection: this is where its nodes, the first and later ones, find theirs.
        self.connection_kwargs["connection_class"] = connecting.kind
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = connecting.kind
        self._limit = timeout
        self._looking: asyncio.Task[None] | None = None
        self._looked = 0.0
        self._failed: str | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await super().aclose()

    async def look_again(self) -> None:
        """Wait until the cluster's nodes and slots are looked up anew; a failure shows in the next command."""
        await asyncio.wait([self.suspect(None)])

    def suspect(self, node: str | None) -> asyncio.Task[None]:
        """Look at the cluster again in the background, once for all who ask, not all the time; this node last."""
        self._failed = node or self._failed
        loop = asyncio.get_running_loop()
        if self._looking is None or (self._looking.done() and loop.time() > self._looked + _REST):
            self._looking = loop.create_task(self._look())
        return self._looking

    async def _look(self) -> None:
        with suppress(TimeoutError, IndexError, *DRIVER_ERRORS):  # IndexError: as if there were no primary at all
            async with asyncio.timeout(self._limit):
                await self.nodes_manager.initialize(last_failed_node_name=self._failed)
        self._looked = asyncio.get_running_loop().time()

    async def _execute_command(self, target_node: ClusterNode, *args: Any, **kwargs: Any) -> Any:
        node, asking = target_node, False
        for _ in range(_REDIRECTIONS):
            try:
                return await (_ask(node, args, kwargs) if asking else node.execute_command(*args, **kwargs))
            except redis_errors.MovedError as error:
                node, asking = await self._follow(node, error), False
            except redis_errors.AskError as error:
                node, asking = self._named(node, error), True
            except redis_errors.TryAgainError:
                await asyncio.sleep(_TRY_AGAIN)
            except _FAILURES:
                self.suspect(node.name)
                raise
        raise redis_errors.TryAgainError

    async def _follow(self, node: ClusterNode, error: redis_errors.MovedError) -> ClusterNode:
        error.host = error.host or node.host
        await self.nodes_manager.move_slot(error)
        return self.nodes_manager.get_node_from_slot(error.slot_id)

    def _named(self, node: ClusterNode, error: redis_errors.AskError) -> ClusterNode:
        """Return the node that takes a slot over, which may be new."""
        host = error.host or node.host
        known = self.get_node(host, error.port)
        if known is None:
            known = ClusterNode(host, error.port, "primary", **self.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {known.name: known})
        return known


async def _ask(node: ClusterNode, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Send ASKING and the command in one piece."""
    command = PipelineCommand(1, *args, **kwargs)
    await node.execute_pipeline([PipelineCommand(0, "ASKING"), command])
    if isinstance(command.result, Exception):
        raise command.result
    return command.result
