"""Maps that keep their lists wrongly, or tear records."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conformance.broken_core import caught_by
from tests.conformance.maps import MemoryMap


@caught_by("empty_session_is_empty_list")
class ListsNoneForEmpty(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        return await super().list(entity, session) or None


@caught_by("empty_session_is_empty_list", "list_in_order_of_insertion")
class ListsTuples(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        return tuple(await super().list(entity, session))


@caught_by("list_in_order_of_insertion")
class ListsById(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        return sorted(await super().list(entity, session), key=lambda row: row["id"])


@caught_by("list_in_order_of_insertion")
class ListsByCreation(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        return sorted(await super().list(entity, session), key=lambda row: row.get("createdAt", 0))


@caught_by("list_in_order_of_insertion")
class ListsLastFirst(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        return (await super().list(entity, session))[::-1]


@caught_by("list_in_order_of_insertion")
class ListsOnePage(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        return (await super().list(entity, session))[:10]


@caught_by("list_returns_whole_records")
class ListsHeads(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        rows = await super().list(entity, session)
        return [{"id": row["id"], "sessionId": row["sessionId"]} for row in rows]


@caught_by("set_again_keeps_the_place", "moved_record_keeps_its_new_place")
class SetAgainGoesLast(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        self.rows(entity).pop(id_, None)
        await super().set(entity, id_, value)


@caught_by("update_keeps_the_place")
class UpdateGoesLast(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        record = await super().update(entity, id_, updates)
        self.rows(entity)[id_] = self.rows(entity).pop(id_)
        return record


@caught_by("update_keeps_the_place")
class NamingTheSessionGoesLast(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        record = await super().update(entity, id_, updates)
        if "sessionId" in updates:
            self.rows(entity)[id_] = self.rows(entity).pop(id_)
        return record


@caught_by("list_holds_only_its_session")
class ListsByPrefix(MemoryMap):
    def within(self, row: dict[str, Any], session: str) -> bool:
        return bool(row["sessionId"].startswith(session))


@caught_by("list_holds_only_its_session")
class ListsWithoutCase(MemoryMap):
    def within(self, row: dict[str, Any], session: str) -> bool:
        return bool(row["sessionId"].lower() == session.lower())


@caught_by("list_holds_only_its_session", "move_by_set")
class ListsAll(MemoryMap):
    def within(self, row: dict[str, Any], session: str) -> bool:
        return True


@caught_by("move_by_set", "move_by_update", "move_back_by_set", "move_back_by_update")
class MoveKeepsThePlace(MemoryMap):
    def moves(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return False


@caught_by("move_by_update", "move_back_by_update")
class MoveByUpdateKeepsThePlace(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        if id_ in self.rows(entity):
            self.rows(entity)[id_] |= self.copied(updates)
        return await super().update(entity, id_, updates)


class IndexMap(MemoryMap):
    """Keeps the ids of each session in a list of its own, as handlers on a key-value store do."""

    def __init__(self) -> None:
        super().__init__()
        self.index: dict[tuple[str, str], list[str]] = {}

    async def list(self, entity: str, session: str) -> Any:
        return [self.copied(self.rows(entity)[id_]) for id_ in self.index.get((entity, session), [])]

    def put(self, entity: str, id_: str, record: dict[str, Any]) -> None:
        super().put(entity, id_, record)
        session = record.get("sessionId")
        if session is not None and id_ not in self.index.setdefault((entity, session), []):
            self.index[entity, session].append(id_)


@caught_by("move_by_set", "move_by_update", "move_back_by_set", "concurrent_moves_end_in_one_list")
class MoveKeepsTheOldEntry(IndexMap):
    pass


@caught_by("move_back_by_set", "move_back_by_update")
class MoveBackFindsTheOldPlace(IndexMap):
    async def list(self, entity: str, session: str) -> Any:
        return [row for row in await super().list(entity, session) if row["sessionId"] == session]


@caught_by("concurrent_inserts_are_listed")
class IndexLosesInserts(IndexMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        key = (entity, value.get("sessionId", ""))
        ids = list(self.index.get(key, []))
        await super().set(entity, id_, value)
        self.index[key] = ids if id_ in ids else [*ids, id_]


@caught_by("cancelled_set_lists_what_is_there")
class IndexComesLater(IndexMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        self.rows(entity)[id_] = self.copied(value)
        await super().set(entity, id_, value)


@caught_by(
    "concurrent_gets_see_whole_records",
    "concurrent_lists_see_whole_records",
    "cancelled_set_leaves_whole_records",
)
class SetsFieldByField(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        self.put(entity, id_, {key: value[key] for key in ("id", "sessionId") if key in value})
        for key, field in self.copied(value).items():
            self.rows(entity)[id_][key] = field
            await asyncio.sleep(0)


@caught_by(
    "concurrent_gets_see_whole_records",
    "concurrent_lists_see_whole_records",
    "cancelled_set_leaves_whole_records",
)
class DeletesThenInserts(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        self.rows(entity).pop(id_, None)
        await super().set(entity, id_, value)
