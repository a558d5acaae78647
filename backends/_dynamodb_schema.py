"""The table's shape, for `create=true`, for the check at opening, and as a CloudFormation template."""

from __future__ import annotations

import json
import re
from typing import Any

from storescope import BackendError

_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
KEYS = {"pk": "HASH", "sk": "RANGE"}
"""The key attributes, both strings."""

DEFINITION: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in KEYS],
    "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in KEYS.items()],
    "BillingMode": "PAY_PER_REQUEST",
}


def check_table_name(name: str) -> str:
    """Hold a name to what DynamoDB takes, and return it.

    Raises:
        BackendError: If DynamoDB would refuse it. It is not repeated: it may be a URL's password.
    """
    if not _NAME.fullmatch(name):
        raise BackendError("a DynamoDB table's name is 3 to 255 letters, digits and '_', '.', '-'")
    return name


def cloudformation(table: str) -> str:
    """Return a CloudFormation template of the table that `create=true` makes; deleting the stack keeps the table.

    Args:
        table: The table's name.

    Raises:
        BackendError: If DynamoDB would refuse the name.
    """
    properties = {"TableName": check_table_name(table), **DEFINITION}
    resource = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Storage of an AI agent, for storescope",
        "Resources": {"Storage": {**resource, "Properties": properties}},
    }
    return json.dumps(template, indent=2)


def check_description(table: dict[str, Any]) -> None:
    """Make sure that a table is one that this backend can keep its promises on.

    Args:
        table: What `DescribeTable` says of it.

    Raises:
        BackendError: If its key is another one, or it has replicas in other regions.
    """
    name = table["TableName"]
    kinds = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    keys = {one["AttributeName"]: one["KeyType"] for one in table["KeySchema"]}
    if keys != KEYS or any(kinds.get(key) != "S" for key in KEYS):
        raise BackendError(
            f"dynamodb: the table {name} has another key; it must have the strings pk (HASH) and sk (RANGE), "
            f"as storescope dynamodb cloudformation {name} prints it"
        )
    replicas = sorted(one["RegionName"] for one in table.get("Replicas", ()))
    if replicas:
        raise BackendError(
            f"dynamodb: the table {name} is a global one with replicas in {', '.join(replicas)}: its records rest "
            "there too, and updates made in two regions undo each other; use a table of one region"
        )
