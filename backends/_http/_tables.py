"""The records of one entity, behind a server. Whose they are travels in a header, as the call's context says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, cast

from storescope import RecordNotFoundError, UnsupportedOperationError

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._http._client import Client
    from storescope.backends._scan import ScanPage


class HttpTable:
    """One entity's operations, each a request."""

    def __init__(self, client: Client, entity: str) -> None:
        self._client = client
        self._entity = entity

    async def get(self, tenant: str, id: str) -> Record | None:  # noqa: ARG002 (the context has it)
        """Return the record, or None."""
        return cast("Record | None", await self._call("get", id=id))

    async def set(self, tenant: str, id: str, record: Record) -> None:  # noqa: ARG002 (as above)
        """Insert the record, or replace it whole."""
        await self._call("set", id=id, value=record)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:  # noqa: ARG002 (as above)
        """Merge `updates` in and return the record; None if there is none."""
        try:
            return cast("Record", await self._call("update", id=id, updates=updates))
        except RecordNotFoundError:
            return None

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:  # noqa: ARG002 (as above)
        """Return a session's records in the server's order."""
        return cast("list[Record]", await self._call("listBySession", sessionId=session_id))

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:  # noqa: ARG002 (it needs none)
        """Refuse: a server offers what an agent may do.

        Raises:
            UnsupportedOperationError: Always.
        """
        self._refuse()

    async def purge(self, tenant: str, id: str) -> bool:  # noqa: ARG002 (it needs none)
        """Refuse, as `scan` does."""
        self._refuse()

    async def _call(self, verb: str, **params: Any) -> Any:
        return await self._client.call(f"{self._entity}.{verb}", params)

    def _refuse(self) -> NoReturn:
        raise UnsupportedOperationError(
            "storescope+http: a server offers the agent's fifteen operations; scan and purge the store itself"
        )
