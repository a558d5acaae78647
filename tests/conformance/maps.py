"""A correct little handler map in memory, and the steps that broken ones replace."""

from __future__ import annotations

import asyncio
import copy
import math
from typing import Any

from storescope import (
    OPERATIONS,
    Handler,
    Handlers,
    InvalidRecordError,
    Operation,
    RecordNotFoundError,
)
from storescope.contract import IN_SESSION

Rows = dict[str, dict[str, Any]]


class MemoryMap:
    """Keeps the core contract. A subclass breaks one method of it."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {operation.entity: {} for operation in OPERATIONS.values()}

    def handlers(self) -> Handlers:
        return {name: self.handler(operation) for name, operation in OPERATIONS.items()}

    def handler(self, operation: Operation) -> Handler:
        verb = {"listBySession": "list"}.get(operation.verb, operation.verb)
        method = getattr(self, verb)

        async def handler(**params: Any) -> Any:
            return await method(operation.entity, *params.values())

        return handler

    def rows(self, entity: str) -> Rows:
        return self.tables[entity]

    def copied(self, record: Any) -> Any:
        return copy.deepcopy(record)

    async def get(self, entity: str, id_: str) -> Any:
        await asyncio.sleep(0)
        return self.copied(self.rows(entity).get(id_))

    async def set(self, entity: str, id_: str, value: Any) -> Any:
        await asyncio.sleep(0)
        self.put(entity, id_, self.copied(value))

    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        await asyncio.sleep(0)
        record = self.rows(entity).get(id_)
        if record is None:
            return self.missing(entity, id_)
        self.put(entity, id_, self.merged(record, self.copied(updates)))
        return self.copied(self.rows(entity)[id_])

    async def list(self, entity: str, session: str) -> Any:
        await asyncio.sleep(0)
        return [self.copied(row) for row in self.rows(entity).values() if self.within(row, session)]

    def put(self, entity: str, id_: str, record: dict[str, Any]) -> None:
        """Insert or replace; a dict keeps the order of insertion, and a move starts anew."""
        rows = self.rows(entity)
        if entity in IN_SESSION and id_ in rows and self.moves(rows[id_], record):
            del rows[id_]
        rows[id_] = record

    def moves(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return bool(old["sessionId"] != new["sessionId"])

    def merged(self, record: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
        return {**record, **updates}

    def within(self, row: dict[str, Any], session: str) -> bool:
        return bool(row["sessionId"] == session)

    def missing(self, entity: str, id_: str) -> Any:
        raise RecordNotFoundError(entity, id_)


class PromisingMap(MemoryMap):
    """Keeps the promises of the shipped backends too, as far as one process goes."""

    def handler(self, operation: Operation) -> Handler:
        method = super().handler(operation)

        async def handler(**params: Any) -> Any:
            for value in params.values():
                self.check(value)
            return await method(**params)

        return handler

    def check(self, value: Any) -> None:
        """Refuse what the shipped backends refuse."""
        if isinstance(value, str):
            self.check_id(value)
            return
        try:
            self.check_json(value)
        except RecursionError:
            raise InvalidRecordError("nested too deep") from None
        if "sessionId" in value:
            self.check_id(value["sessionId"])

    def check_id(self, id_: str) -> None:
        try:
            size = len(id_.encode())
        except UnicodeEncodeError:
            raise InvalidRecordError("surrogates in an id") from None
        if size > 256 or "\0" in id_:
            raise InvalidRecordError("not an id")

    def check_json(self, value: Any) -> None:
        if type(value) is list:
            for item in value:
                self.check_json(item)
        elif type(value) is dict:
            for key, item in value.items():
                self.check_key(key)
                self.check_json(item)
        elif type(value) is float:
            self.check_float(value)
        elif type(value) not in {str, int, bool, type(None)}:
            raise InvalidRecordError("not JSON")

    def check_key(self, key: Any) -> None:
        if type(key) is not str:
            raise InvalidRecordError("not JSON: a key that is no string")

    def check_float(self, value: float) -> None:
        if not math.isfinite(value):
            raise InvalidRecordError("not JSON: not finite")
