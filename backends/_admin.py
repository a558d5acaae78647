"""`Backend.admin`: what an operator may do and an agent may not: list everything, delete, and mark the place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope import OPERATIONS, BackendError, InvalidRecordError, UnsupportedOperationError
from storescope.backends._aws import aws_regions
from storescope.backends._identity import Marker, check_region
from storescope.backends._names import check_name
from storescope.backends._scan import ScanPage, bad_cursor

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope import BackendInfo
    from storescope.backends._tables import Engine, Table

_ENTITIES = tuple(dict.fromkeys(operation.entity for operation in OPERATIONS.values()))


class Admin:
    """For residency scans, moves and erasure. No middleware stands around it: whoever holds it is trusted."""

    def __init__(self, engine: Engine, scope: Callable[[], str], info: BackendInfo) -> None:
        self._engine = engine
        self._scope = scope
        self._info = info

    async def scan(
        self, entity: str, cursor: str | None = None, *, limit: int = 100, every_tenant: bool = False
    ) -> ScanPage:
        """Return a page of an entity's records, in no order that can be relied on.

        A record that is there from the first page to the last is in one of them, whatever is written
        meanwhile. On Redis it may come twice, in two pages.

        Args:
            entity: `session`, `message`, `part`, `sandbox` or `setup`.
            cursor: None for the first page, then the one that the page before came with.
            limit: How many records a page has, about.
            every_tenant: Whether to go through the records of all tenants, and those of none. Without it, the
                scan sees what calls made here would: the tenant of `call_context`, or what tenants share.

        Returns:
            The records and the next cursor, None at the end.

        Raises:
            UnsupportedOperationError: If there is no such entity.
            InvalidRecordError: If the cursor or the limit is not one.
            TenantRequiredError: If the backend keeps tenants apart, and none was named.
            BackendError: If the store fails, or hides the records of other tenants from this user of it.
        """
        table = self._table(entity)
        if type(limit) is not int or limit < 1:
            raise InvalidRecordError("scan: limit must be 1 or more")
        if cursor is not None:
            of, _, cursor = cursor.partition(":")
            if of != entity:
                raise bad_cursor()
        tenant = None if every_tenant else self._scope()
        records, following = await table.scan(tenant, cursor, limit)
        return ScanPage(records, following and f"{entity}:{following}")

    async def merge(self, entity: str, id: str, fields: dict[str, Any]) -> bool:
        """Merge fields into a record, atomically, also of the entities for which an agent has no `update`.

        Args:
            entity: `session`, `message`, `part`, `sandbox` or `setup`.
            id: The record's id.
            fields: The fields, as for an `update`.

        Returns:
            Whether there was such a record.

        Raises:
            UnsupportedOperationError: If there is no such entity.
            InvalidRecordError: If the id or a field is refused.
            RecordTooLargeError: If the store cannot hold the merged record.
            TenantRequiredError: If the backend keeps tenants apart, and none was named.
            BackendError: If the store fails.
        """
        table = self._table(entity)
        return await table.update(self._scope(), _check_id(id, "merge"), fields) is not None

    async def purge(self, entity: str, id: str) -> bool:
        """Delete a record with all that leads to it: index, pointer, its place in its session's list.

        It deletes this one record: a session's messages and parts have ids of their own. The store's own
        leftovers (backups, write-ahead logs, dead rows before a vacuum) are not reached.

        Args:
            entity: `session`, `message`, `part`, `sandbox` or `setup`.
            id: The record's id.

        Returns:
            Whether there was such a record.

        Raises:
            UnsupportedOperationError: If there is no such entity.
            InvalidRecordError: If the id is not one.
            TenantRequiredError: If the backend keeps tenants apart, and none was named.
            BackendError: If the store fails.
        """
        table = self._table(entity)
        return await table.purge(self._scope(), _check_id(id, "purge"))

    async def mark(self, region: str, *, replace: bool = False) -> Marker:
        """Write into the store where its data rests, bound to this place, for `open_backend(probe=True)` to find.

        Make sure of the region first, and run this where the agent runs: the host is bound as it was dialled.
        `info` of this open backend stays as it is.

        Args:
            region: Where the data rests, `aws:eu-west-1`.
            replace: Whether to write it over a marker of another region or place, after the store has moved.

        Returns:
            The marker that is there now; if it was there already, nothing was written.

        Raises:
            BackendError: If another marker is there, the region is not one or not the one in the host's name, or
                the store fails or takes no marker. Nothing was changed.
        """
        self._check_name(check_region(region))
        store = self._engine.marker
        wanted = Marker(region, await store.identify())
        if await store.write(wanted.to_text(), replace=False):
            return wanted
        if (found := await self._found(or_none=replace)) is not None:
            same = found.region == region and not found.identity.difference(wanted.identity)
            if same and not (replace and found != wanted):  # it may know less of the place than we do now
                return found
            if not replace:
                raise BackendError(
                    f"there is a residency marker already, of {found.region} and written for {found.identity}; "
                    "if the data has moved, write over it with --replace (in code, replace=True)"
                )
        await store.write(wanted.to_text(), replace=True)
        return wanted

    async def marker(self) -> Marker | None:
        """Return the store's residency marker, whether or not it was written for this place; None without one.

        Raises:
            BackendError: If it cannot be read, or the store takes none.
        """
        return await self._found()

    async def _found(self, *, or_none: bool = False) -> Marker | None:
        text = await self._engine.marker.read()
        try:
            return None if text is None else Marker.from_text(text)
        except BackendError:
            if or_none:
                return None
            raise

    def _check_name(self, region: str) -> None:
        for named in filter(None, aws_regions(self._info.address)):
            if named != region:
                raise BackendError(
                    f"by its name, this host is in {named}: a marker of {region} could only be wrong"
                )

    def _table(self, entity: str) -> Table:
        if entity not in _ENTITIES:
            raise UnsupportedOperationError(f"there is no such entity; there are {', '.join(_ENTITIES)}")
        table: Table = getattr(self._engine, entity)
        return table


def _check_id(id_: Any, what: str) -> str:
    if not isinstance(id_, str) or not id_:
        raise InvalidRecordError(f"{what}: id must be a non-empty string")
    return check_name(id_, "the id")
