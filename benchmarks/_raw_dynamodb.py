"""DynamoDB by aiobotocore alone: the items, requests and conditions of the backend, for one writer."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from secrets import token_hex
from typing import Any

import orjson
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

_BATCH = 25  # the most items that a request may write
_AT_ONCE = 16
_SETTLED = {
    "ConditionExpression": "attribute_exists(#body) AND attribute_not_exists(#moving)",
    "ExpressionAttributeNames": {"#body": "body", "#moving": "moving"},
}
_ABSENT = {"ConditionExpression": "attribute_not_exists(pk)"}


class RawDynamo:
    """aiobotocore's client of one table, with the backend's driver settings.

    Whoever meets another writer fails, where the backend tries again.
    """

    def __init__(self, client: Any, table: str, stack: AsyncExitStack) -> None:
        self._client = client
        self._table = table
        self._stack = stack

    @classmethod
    async def open(cls, endpoint: str, table: str) -> RawDynamo:
        """Connect to a table that is there."""
        config = AioConfig(
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=2.0,
            read_timeout=60.0,
            max_pool_connections=20,
        )
        session: Any = get_session()  # its stubs know each service by a literal
        stack = AsyncExitStack()
        made = session.create_client("dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=config)
        return cls(await stack.enter_async_context(made), table, stack)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._stack.aclose()

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """One GetItem."""
        item = await self._get(f"#session#{id_}", "-")
        return None if item is None else orjson.loads(item["body"]["S"])

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """One PutItem."""
        await self._put({**_own(f"#session#{id_}", "session"), "body": _text(record)})

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """GetItem, and PutItem on the condition that nobody has written since."""
        item = await self._get(f"#session#{id_}", "-")
        if item is None:
            return None
        record = {**orjson.loads(item["body"]["S"]), **updates}
        new = {**_own(f"#session#{id_}", "session"), "body": _text(record)}
        await self._put(new, _unchanged(item["ver"]["S"]))
        return record

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """GetItem of the pointer, and of the record."""
        pointer = await self._get(f"#message#{id_}", "-")
        if pointer is None:
            return None
        item = await self._get(f"#messages#{pointer['home']['S']}", pointer["seq"]["S"])
        return None if item is None else orjson.loads(item["body"]["S"])

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """GetItem of the pointer, and PutItem; three requests for a new record, five for one that moves."""
        home = record["sessionId"]
        pointer = await self._get(f"#message#{id_}", "-")
        if pointer is not None and pointer["home"]["S"] == home:
            await self._put(_in_session(id_, home, pointer["seq"]["S"], record), _SETTLED)
            return
        seq = await self._count(home)
        if pointer is None:
            await self._put(_pointer(id_, home, seq), _ABSENT)
            await self._put(_in_session(id_, home, seq, record), _ABSENT)
            return
        old = {"home": pointer["home"]["S"], "seq": pointer["seq"]["S"]}
        before = {"old_home": {"S": old["home"]}, "old_seq": {"S": old["seq"]}}
        await self._put({**_pointer(id_, home, seq), **before}, _unchanged(pointer["ver"]["S"]))
        left = {"pk": {"S": f"#messages#{old['home']}"}, "sk": {"S": old["seq"]}}
        await self._client.update_item(
            TableName=self._table,
            Key=left,
            UpdateExpression="SET moving = :moving",
            ExpressionAttributeValues={":moving": {"S": "1"}},
        )
        await self._put(_in_session(id_, home, seq, record), _ABSENT)
        await self._client.delete_item(TableName=self._table, Key=left)

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """GetItem of the pointer and of the record, and PutItem on the condition that nobody has written since."""
        pointer = await self._get(f"#message#{id_}", "-")
        if pointer is None:
            return None
        home, seq = pointer["home"]["S"], pointer["seq"]["S"]
        item = await self._get(f"#messages#{home}", seq)
        if item is None:
            return None
        record = {**orjson.loads(item["body"]["S"]), **updates}
        await self._put(_in_session(id_, home, seq, record), _unchanged(item["ver"]["S"]))
        return record

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """One Query, of as many pages as it takes."""
        records: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {}
        while True:
            answer = await self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk > :sk",
                ExpressionAttributeValues={":pk": {"S": f"#messages#{session_id}"}, ":sk": {"S": "-"}},
                ConsistentRead=True,
                **arguments,
            )
            records += [orjson.loads(item["body"]["S"]) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return records
            arguments = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Write records and pointers in batches, several at once."""
        items: list[dict[str, Any]] = []
        first = time.time_ns() // 1000
        for number, record in enumerate(messages):
            home, seq = record["sessionId"], f"{first + number:020}"
            items += [_pointer(record["id"], home, seq), _in_session(record["id"], home, seq, record)]
        turns = asyncio.Semaphore(_AT_ONCE)

        async def write(batch: list[dict[str, Any]]) -> None:
            requests = [{"PutRequest": {"Item": item}} for item in batch]
            async with turns:
                answer = await self._client.batch_write_item(RequestItems={self._table: requests})
            if answer.get("UnprocessedItems"):
                raise RuntimeError("the server did not take the whole batch")

        await asyncio.gather(*(write(items[n : n + _BATCH]) for n in range(0, len(items), _BATCH)))

    async def _get(self, pk: str, sk: str) -> Any:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    async def _put(self, item: dict[str, Any], when: dict[str, Any] | None = None) -> None:
        await self._client.put_item(TableName=self._table, Item=item, **(when or {}))

    async def _count(self, home: str) -> str:
        answer = await self._client.update_item(
            TableName=self._table,
            Key={"pk": {"S": f"#messages#{home}"}, "sk": {"S": "-"}},
            UpdateExpression="SET n = if_not_exists(n, :first) + :one",
            ExpressionAttributeValues={":first": {"N": str(time.time_ns() // 1000)}, ":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return f"{int(answer['Attributes']['n']['N']):020}"


def _own(pk: str, kind: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "-"}, "kind": {"S": kind}, "ver": {"S": token_hex(8)}}


def _pointer(id_: str, home: str, seq: str) -> dict[str, Any]:
    return {**_own(f"#message#{id_}", "message"), "home": {"S": home}, "seq": {"S": seq}}


def _in_session(id_: str, home: str, seq: str, record: dict[str, Any]) -> dict[str, Any]:
    place = {"pk": {"S": f"#messages#{home}"}, "sk": {"S": seq}}
    return {**place, "id": {"S": id_}, "ver": {"S": token_hex(8)}, "body": _text(record)}


def _text(record: dict[str, Any]) -> dict[str, str]:
    return {"S": orjson.dumps(record).decode()}


def _unchanged(version: str) -> dict[str, Any]:
    return {"ConditionExpression": "ver = :ver", "ExpressionAttributeValues": {":ver": {"S": version}}}
