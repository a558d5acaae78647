"""The requests that the tables make: reads are consistent, and writes may be under a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from botocore.exceptions import ClientError

from storescope.backends._dynamodb._errors import error_code

if TYPE_CHECKING:
    from storescope.backends._dynamodb._items import Item, Key

_Values: TypeAlias = dict[str, dict[str, str]]


class Condition(NamedTuple):
    """What must hold of the item that is there.

    Attributes:
        text: The condition; `#` stands before each attribute's name.
        names: The attributes that it names.
        values: What it compares with.
    """

    text: str
    names: tuple[str, ...]
    values: _Values = {}  # noqa: RUF012 (never changed)

    def arguments(self) -> dict[str, Any]:
        """Return what the SDK takes."""
        found: dict[str, Any] = {
            "ConditionExpression": self.text,
            "ExpressionAttributeNames": {f"#{name}": name for name in self.names},
        }
        return found | ({"ExpressionAttributeValues": self.values} if self.values else {})


ABSENT = Condition("attribute_not_exists(#pk)", ("pk",))
SETTLED = Condition("attribute_exists(#body) AND attribute_not_exists(#moving)", ("body", "moving"))


def unchanged(version: str) -> Condition:
    """Return the condition that nobody has written the item since it was read."""
    return Condition("#ver = :ver", ("ver",), {":ver": {"S": version}})


class Calls:
    """The requests, on one table."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    async def get(self, key: Key) -> Item | None:
        """Return an item as it is after all writes that were acknowledged."""
        answer = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _plain(answer["Item"]) if "Item" in answer else None

    async def put(self, item: Item, when: Condition | None = None) -> bool:
        """Write an item whole, and return whether the condition held."""
        typed = {name: {"S": value} for name, value in item.items()}
        arguments = when.arguments() if when else {}
        return await _held(self._client.put_item(TableName=self._table, Item=typed, **arguments)) is not None

    async def delete(self, key: Key, when: Condition | None = None) -> bool:
        """Delete an item, and return whether the condition held."""
        arguments = when.arguments() if when else {}
        return await _held(self._client.delete_item(TableName=self._table, Key=key, **arguments)) is not None

    async def mark(self, key: Key, version: str) -> Item | None:
        """Mark a record as about to move, under a new version, and return it; None if there is none."""
        answer = await _held(
            self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET #moving = :moving, #ver = :ver",
                ConditionExpression="attribute_exists(#body)",
                ExpressionAttributeNames={"#moving": "moving", "#ver": "ver", "#body": "body"},
                ExpressionAttributeValues={":moving": {"S": "1"}, ":ver": {"S": version}},
                ReturnValues="ALL_NEW",
            )
        )
        return None if answer is None else _plain(answer["Attributes"])

    async def count(self, key: Key, first: int) -> int:
        """Return the next number of a counter, and `first` plus one of a new one."""
        answer = await self._client.update_item(
            TableName=self._table,
            Key=key,
            UpdateExpression="SET #n = if_not_exists(#n, :first) + :one",
            ExpressionAttributeNames={"#n": "n"},
            ExpressionAttributeValues={":first": {"N": str(first)}, ":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["n"]["N"])

    async def forget_count(self, key: Key, count: str) -> None:
        """Delete a counter, unless it has counted on."""
        await self.delete(key, Condition("#n = :n", ("n",), {":n": {"N": count}}))

    async def query(self, partition: str, after: str, limit: int | None = None) -> list[Item]:
        """Return a partition's items in order of their sort key, those after `after`, at most `limit` of them."""
        items: list[Item] = []
        arguments: dict[str, Any] = {"Limit": limit} if limit else {}
        while True:
            answer = await self._client.query(
                TableName=self._table,
                KeyConditionExpression="#pk = :pk AND #sk > :sk",
                ExpressionAttributeNames={"#pk": "pk", "#sk": "sk"},
                ExpressionAttributeValues={":pk": {"S": partition}, ":sk": {"S": after}},
                ConsistentRead=True,
                **arguments,
            )
            items += map(_plain, answer["Items"])
            if limit or "LastEvaluatedKey" not in answer:
                return items
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def scan(self, kind: str, prefix: str, after: Key | None, limit: int) -> tuple[list[Item], Key | None]:
        """Return items of a kind whose partition begins with `prefix`, of the next `limit` items of any kind."""
        arguments: dict[str, Any] = {"ExclusiveStartKey": after} if after else {}
        names, values = {"#kind": "kind"}, {":kind": {"S": kind}}
        text = "#kind = :kind"
        if prefix:
            text += " AND begins_with(#pk, :prefix)"
            names["#pk"] = "pk"
            values[":prefix"] = {"S": prefix}
        answer = await self._client.scan(
            TableName=self._table,
            FilterExpression=text,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            Limit=limit,
            **arguments,
        )
        return [_plain(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")


def _plain(item: dict[str, dict[str, str]]) -> Item:
    """Return an item's attributes without their types: all are strings, and the counter's number."""
    return {name: next(iter(value.values())) for name, value in item.items()}


async def _held(request: Any) -> Any:
    """Return the answer; None if the condition did not hold."""
    try:
        return await request
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return None
        raise
