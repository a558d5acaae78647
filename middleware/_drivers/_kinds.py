"""What is particular to each driver: how its instrumentation names things, and what we let it say.

As of 0.66b1 the redis instrumentation names a pipeline's span after all its commands, and every command as the
caller spelled it; asyncpg's takes the first word of whatever text it is given; botocore's tells of all of AWS, and
copies parts of requests into attributes. Here each span's name is made from a closed set of words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.util.types import AttributeValue


@dataclass(frozen=True, slots=True)
class Driver:
    """One driver and its instrumentation.

    Attributes:
        name: The driver's package.
        module: The instrumentation's.
        instrumentors: Package that is patched, and the class that patches it.
        extra: The extra of storescope that brings both; None if they are always there.
        system: Its `db.system.name`.
        operation: Returns the operation that an instrumentation's span name stands for, one of few words: empty if
            it is none that we know, None if there is to be no span.
        status_code: Returns the code with which the store refused; empty if there is none.
    """

    name: str
    module: str
    instrumentors: tuple[tuple[str, str], ...]
    extra: str | None
    system: str
    operation: Callable[[str], str | None]
    status_code: Callable[[BaseException], str]

    def at_start(self, operation: str, told: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
        """Return the attributes that a span starts with, which samplers see."""
        attributes: dict[str, AttributeValue] = {"db.system.name": self.system}
        if operation:
            attributes["db.operation.name"] = operation
        for key, value in (told or {}).items():
            attributes.update(stable(key, value))
        return attributes


# Old name -> stable name of the database and network conventions 1.26 and later.
_RENAMED = {
    "db.redis.database_index": "db.namespace",
    "db.name": "db.namespace",
    "net.peer.port": "server.port",
    "net.transport": "network.transport",
    "db.redis.pipeline_length": "db.operation.batch.size",
    "aws.dynamodb.table_names": "db.collection.name",
}
_ALLOWED = {*_RENAMED.values(), "server.address", "cloud.region"}
_TRANSPORTS = {"ip_tcp": "tcp", "other": "unix", "pipe": "unix"}


def stable(key: str, value: Any) -> dict[str, AttributeValue]:
    """Return the attribute under its stable name; nothing if it is none of those that pass."""
    if key == "net.peer.name":
        # botocore's holds the port too, and it gives `server.address` beside it.
        return {} if re.search(r":\d+$", value) else {"server.address": value}
    key = _RENAMED.get(key, key)
    if key not in _ALLOWED:
        return {}
    if key == "db.namespace":
        value = str(value)
    elif key == "network.transport":
        value = _TRANSPORTS.get(value, value)
    elif key == "db.collection.name" and not isinstance(value, str):
        if len(value) != 1:  # a batch over several tables
            return {}
        (value,) = value
    elif key == "db.operation.batch.size" and value == 1:  # by the conventions that is no batch
        return {}
    return {key: value}


_COMMAND = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,31}")
# Commands of two words, which redis-py sends as one; in a span's name they must not look like a pipeline.
_CONTAINERS = frozenset(
    (
        *("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE"),
        *("OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO"),
    )
)
_MOST_COMMANDS = 512  # Redis and its modules have fewer; what else a caller made up has no name of its own
_commands: set[str] = set()


def _redis_operation(name: str) -> str:
    first, *rest = name.upper().split(" ")
    if rest and not (len(rest) == 1 and first in _CONTAINERS):
        return "PIPELINE"
    command = {"REDIS.SEARCH": "FT.SEARCH", "REDIS.CREATE_INDEX": "FT.CREATE"}.get(first, first)
    command = " ".join([command, *rest])
    if command not in _commands:
        if len(_commands) >= _MOST_COMMANDS or not all(map(_COMMAND.fullmatch, command.split(" "))):
            return ""
        _commands.add(command)
    return command


_STATEMENTS = frozenset(
    (
        *("ABORT", "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT"),
        *("COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "END", "EXECUTE"),
        *("EXPLAIN", "FETCH", "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY"),
        *("PREPARE", "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT"),
        *("SECURITY", "SELECT", "SET", "SHOW", "START", "TABLE", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM"),
        *("VALUES", "WITH"),
    )
)
_CURSOR = "CURSOR: "


def _postgres_operation(name: str) -> str:
    if name.startswith(_CURSOR):
        return "FETCH"
    word = name.strip("();").upper()
    return word if word in _STATEMENTS else ""


_DYNAMODB = re.compile(r"DynamoDB\.([A-Z][A-Za-z]{1,63})")  # the service model knows no other operations


def _aws_operation(name: str) -> str | None:
    matched = _DYNAMODB.fullmatch(name)
    return matched[1] if matched else None


def _sqlstate(error: BaseException) -> str:
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def _aws_code(error: BaseException) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]{1,64}", code) else ""


DRIVERS = {
    driver.name: driver
    for driver in (
        Driver(
            "redis",
            "opentelemetry.instrumentation.redis",
            (("redis", "RedisInstrumentor"),),
            None,
            "redis",
            _redis_operation,
            lambda _: "",  # only its text has it
        ),
        Driver(
            "asyncpg",
            "opentelemetry.instrumentation.asyncpg",
            (("asyncpg", "AsyncPGInstrumentor"),),
            "postgres",
            "postgresql",
            _postgres_operation,
            _sqlstate,
        ),
        Driver(
            "botocore",
            "opentelemetry.instrumentation.botocore",
            (("botocore", "BotocoreInstrumentor"), ("aiobotocore", "AiobotocoreInstrumentor")),
            "dynamodb",
            "aws.dynamodb",
            _aws_operation,
            _aws_code,
        ),
    )
}
"""By the driver's name."""
