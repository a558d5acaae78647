"""A connected cluster: the calls of all tables, and scans over its nodes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from storescope import BackendError
from storescope.backends._redis._server import Server, read_position
from storescope.backends._redis_cluster._client import SLOTS, ClusterClient
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
            BackendError: If slots have moved since the scan began, are on their way, or have no node.
        """
        at = Cursor.read(cursor) if cursor is not None else Cursor(await self._survey(), self._names()[0], "0")
        position = read_position(at.position)
        node = self.client.get_node(node_name=at.node)
        if node is None:
            raise _moved()
        position, keys = await self.read(self._scan_node, node, position, pattern, limit)
        if position:
            return keys, at._replace(position=str(position)).write()
        if await self._survey() != at.slots:
            raise _moved()
        following = next((name for name in self._names() if name > at.node), None)
        return keys, following and Cursor(at.slots, following, "0").write()

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

    def _names(self) -> list[str]:
        """Return the names of the primaries, in order."""
        return sorted(str(node.name) for node in self.client.get_primaries())

    async def _survey(self) -> str:
        """Return a digest of which primary has which slots.

        Raises:
            BackendError: If one is on its way, or has no primary.
        """
        slots: dict[str, list[list[str]]] = await self.read(self._ask_for_slots)
        ranges = [each for ranges in slots.values() for each in ranges]  # FIRST LAST, or one slot alone
        if sum(int(each[-1]) - int(each[0]) + 1 for each in ranges) != SLOTS:
            raise _moved()
        return sha1(json.dumps(slots, sort_keys=True).encode(), usedforsecurity=False).hexdigest()

    async def _ask_for_slots(self) -> dict[str, list[list[str]]]:
        await self.client.look_again()
        slots: dict[str, list[list[str]]] = {}
        for node in self.client.get_primaries():
            told: dict[str, Any] = await self.client.execute_command("CLUSTER NODES", target_nodes=node)
            own = next(each for each in told.values() if "myself" in each["flags"])
            if own["migrations"]:
                raise _moved()
            slots[str(node.name)] = own["slots"]
        return slots


def _moved() -> BackendError:
    return BackendError(
        "redis: slots of the cluster have no node, are moving, or have moved since the scan began, which could "
        "make it miss records; begin it again when they rest",
        retryable=True,
    )
