"""A connected cluster: the calls of all tables, and scans over its nodes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from storescope import BackendError
from storescope.backends._redis._server import Server, read_position
from storescope.backends._redis_cluster._client import ClusterClient
from storescope.backends._scan import bad_cursor

if TYPE_CHECKING:
    from redis.asyncio.cluster import ClusterNode

    from storescope.backends._redis._connection import Attempt


class Cursor(NamedTuple):
    """Where a scan goes on.

    Attributes:
        slots: Which node had which slots when it began, as a digest.
        node: The node's name, `HOST:PORT`.
        position: Where in it.
    """

    slots: str
    node: str
    position: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what `write` wrote.

        Raises:
            InvalidRecordError: If it did not.
        """
        try:
            slots, node, position = json.loads(urlsafe_b64decode(text))
        except (ValueError, TypeError):
            raise bad_cursor() from None
        if not (isinstance(slots, str) and isinstance(node, str) and isinstance(position, str)):
            raise bad_cursor()
        return cls(slots, node, position)

    def write(self) -> str:
        """Return it as one word."""
        return urlsafe_b64encode(json.dumps(self).encode()).decode()


class ClusterServer(Server[ClusterClient]):
    """What every table needs, in a cluster."""

    async def scan(self, pattern: str, cursor: str | None, limit: int) -> tuple[list[bytes], str | None]:
        """Return some of the keys that match a pattern, and the cursor of the rest; None at the end.

        The nodes are gone through one by one. A key could go with its slot from one that is yet to come to one
        that is done, so the slots must stay where they are.

        Raises:
            InvalidRecordError: If the cursor is none that it gave.
            BackendError: If slots have moved since the scan began, or are on their way.
        """
        at = None if cursor is None else Cursor.read(cursor)
        position = read_position(at and at.position)
        slots, nodes = await self.read(self._survey) if at is None or not position else (at.slots, None)
        nodes = nodes or sorted(self.client.get_primaries(), key=_name)
        if at is not None and at.slots != slots:
            raise _moved()
        name = at.node if at is not None else nodes[0].name
        node = next((node for node in nodes if node.name == name), None)
        if node is None:
            raise _moved()
        position, keys = await self.read(self._scan_node, node, position, pattern, limit)
        if position:
            return keys, Cursor(slots, name, str(position)).write()
        following = [other.name for other in nodes if other.name > name]
        if following:
            return keys, Cursor(slots, following[0], "0").write()
        if (await self.read(self._survey))[0] != slots:
            raise _moved()
        return keys, None

    async def _look_again(self) -> None:
        await self.client.look_again()

    def _distrust(self, attempt: Attempt) -> None:
        super()._distrust(attempt)
        self.client.suspect(None)  # a node that hangs may have been replaced

    async def _scan_node(
        self, node: ClusterNode, position: int, pattern: str, limit: int
    ) -> tuple[int, list[bytes]]:
        answer: Any = await self.client.scan(position, pattern, limit, target_nodes=node)
        positions, keys = answer
        return positions[node.name], keys

    async def _survey(self) -> tuple[str, list[ClusterNode]]:
        """Return a digest of which primary has which slots, and the primaries by name."""
        await self.client.look_again()
        nodes = sorted(self.client.get_primaries(), key=_name)
        found: list[Any] = []
        for node in nodes:
            told: dict[str, Any] = await self.client.execute_command("CLUSTER NODES", target_nodes=node)
            own = next(each for each in told.values() if "myself" in each["flags"])
            if own["migrations"]:
                raise _moved()
            found.append((node.name, own["slots"]))
        return sha1(json.dumps(found).encode(), usedforsecurity=False).hexdigest(), nodes


def _name(node: ClusterNode) -> str:
    return str(node.name)


def _moved() -> BackendError:
    return BackendError(
        "redis: slots of the cluster are moving, or have moved since the scan began, which could make it miss "
        "records; begin it again when they rest",
        retryable=True,
    )
