"""Maps whose `update` is wrong."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conformance.broken_core import caught_by
from tests.conformance.maps import MemoryMap


@caught_by("update_merges", "update_with_nothing")
class UpdateReplaces(MemoryMap):
    def merged(self, record: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
        within = {"sessionId": record["sessionId"]} if "sessionId" in record else {}
        return {**within, **updates}


def _deep_merge(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _deep_merge(old.get(key), value) for key, value in new.items()}}


@caught_by("update_merges_shallowly")
class UpdateMergesDeep(MemoryMap):
    def merged(self, record: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = _deep_merge(record, updates)
        return merged


@caught_by("update_merges_shallowly")
class UpdateAppendsToLists(MemoryMap):
    def merged(self, record: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
        lists = {key: record[key] + new for key, new in updates.items() if isinstance(record.get(key), list)}
        return {**record, **updates, **lists}


@caught_by("update_merges")
class UpdateToNullRemoves(MemoryMap):
    def merged(self, record: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in {**record, **updates}.items() if value is not None}


@caught_by("update_returns_the_record", "update_with_nothing")
class UpdateReturnsNothing(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        await super().update(entity, id_, updates)


@caught_by("update_returns_the_record", "update_with_nothing")
class UpdateReturnsTheUpdates(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        await super().update(entity, id_, updates)
        return updates


@caught_by("update_returns_the_record")
class UpdateReturnsTheOldRecord(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        old = await self.get(entity, id_)
        await super().update(entity, id_, updates)
        return old


@caught_by("update_with_nothing")
class UpdateWithNothingRaises(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        if not updates:
            raise ValueError("syntax error near WHERE")
        return await super().update(entity, id_, updates)


@caught_by("update_may_name_its_id")
class UpdateRefusesItsOwnId(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        if "id" in updates:
            raise ValueError("the key cannot be updated")
        return await super().update(entity, id_, updates)


@caught_by("update_of_missing_raises")
class UpdateOfMissingReturnsNone(MemoryMap):
    def missing(self, entity: str, id_: str) -> Any:
        return None


@caught_by("update_of_missing_raises", "update_creates_nothing", "update_lists_nothing")
class UpdateCreates(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        self.rows(entity).setdefault(id_, {"sessionId": "none", **updates})
        return await super().update(entity, id_, updates)


@caught_by("update_creates_nothing", "update_lists_nothing")
class UpdateCreatesAndRaises(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        try:
            return await super().update(entity, id_, updates)
        except Exception:
            self.put(entity, id_, updates)
            raise


@caught_by("concurrent_updates_survive", "update_undoes_no_set")
class UpdateGetsThenSets(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        record = await self.get(entity, id_)
        if record is None:
            return self.missing(entity, id_)
        await asyncio.sleep(0)
        await self.set(entity, id_, {**record, **updates})
        return await self.get(entity, id_)


@caught_by("cancelled_update_leaves_whole_records")
class UpdatesFieldByField(MemoryMap):
    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        for key, field in updates.items():
            await super().update(entity, id_, {key: field})
        return await super().update(entity, id_, {})
