"""The residency marker in DynamoDB: one item. No record's partition key is without a `#`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from storescope.backends._dynamodb._calls import ABSENT
from storescope.backends._dynamodb._items import ALONE, key
from storescope.backends._identity import Identity
from storescope.backends._machine import is_here, machine_id

if TYPE_CHECKING:
    from storescope.backends._dynamodb._calls import Calls
    from storescope.backends._dynamodb._connect import Place
    from storescope.backends._dynamodb._server import Server

_PK = "$residency"


class DynamoMarker:
    """The marker of one table."""

    def __init__(self, server: Server, calls: Calls, place: Place) -> None:
        self._server = server
        self._calls = calls
        self._place = place

    async def identify(self) -> Identity:
        """Return endpoint and table, and the table's own id, which no restored or replaced table has."""
        host = f"[{self._place.host}]" if ":" in self._place.host else self._place.host
        place = f"dynamodb://{host}:{self._place.port}/{self._place.table}"
        machine = machine_id() if is_here(self._place.host) else ""
        return Identity(place, machine=machine, cluster=self._place.table_id)

    async def read(self) -> str | None:
        """Return the text, or None."""
        item = await self._server.run(partial(self._calls.get, key(_PK)))
        return None if item is None else item.get("marker", "")

    async def write(self, text: str, *, replace: bool) -> bool:
        """Write the text, over another only if told so, and return whether it was written."""
        item = {"pk": _PK, "sk": ALONE, "marker": text}
        return await self._server.run(partial(self._calls.put, item, None if replace else ABSENT), writes=True)
