"""Wrap handlers that you already have, over a table that holds rows from before storescope.

    python examples/wrap_your_own.py

The handlers map a session's fields to columns. Nothing about the table changes, and old rows stay readable: the
middleware stands around the handlers and never touches what they store.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from prometheus_client import CollectorRegistry, generate_latest

from storescope import BackendInfo, Handlers, RecordNotFoundError, StorageClient, Store, wrap
from storescope.middleware import metrics, tracing

COLUMNS = {"sandboxId": "sandbox_id", "lastMessageId": "last_message_id", "createdAt": "created_at"}

database = sqlite3.connect(":memory:")
database.execute(
    "CREATE TABLE agent_sessions (id TEXT PRIMARY KEY, sandbox_id TEXT, last_message_id TEXT, created_at INTEGER)"
)
database.execute("INSERT INTO agent_sessions VALUES ('from-2024', 'box-7', NULL, 1717171717)")


async def get_session(*, id: str) -> dict[str, Any] | None:
    """Return the row as the agent's record."""
    row = database.execute(
        "SELECT sandbox_id, last_message_id, created_at FROM agent_sessions WHERE id = ?", (id,)
    ).fetchone()
    if row is None:
        return None
    return {"id": id, **{field: value for field, value in zip(COLUMNS, row, strict=True) if value is not None}}


async def set_session(*, id: str, value: dict[str, Any]) -> None:
    """Insert or replace the row."""
    fields = [value.get(field) for field in COLUMNS]
    database.execute("INSERT OR REPLACE INTO agent_sessions VALUES (?, ?, ?, ?)", (id, *fields))


async def update_session(*, id: str, updates: dict[str, Any]) -> dict[str, Any] | None:
    """Set the columns that the updates name."""
    changes = {COLUMNS[field]: value for field, value in updates.items() if field in COLUMNS}
    if changes:
        assignments = ", ".join(f"{column} = ?" for column in changes)
        statement = f"UPDATE agent_sessions SET {assignments} WHERE id = ?"  # noqa: S608 (our own column names)
        database.execute(statement, (*changes.values(), id))
    session = await get_session(id=id)
    if session is None:
        raise RecordNotFoundError("session", id)
    return session


my_handlers: Handlers = {"session.get": get_session, "session.set": set_session, "session.update": update_session}


def one_line(span: ReadableSpan) -> str:
    """Show a span as its name, outcome and duration."""
    attributes = span.attributes or {}
    outcome = str(attributes["agent_storage.outcome"])
    microseconds = ((span.end_time or 0) - (span.start_time or 0)) // 1000
    return f"span {span.name}: {outcome}, {microseconds} us\n"


async def main() -> None:
    """Use the wrapped handlers as an agent would."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=one_line)))
    registry = CollectorRegistry()
    handlers = wrap(
        my_handlers,
        tracing(tracer_provider=provider),
        metrics(registry=registry),
        backend=BackendInfo(system="sqlite", name="agent_sessions", region="aws:eu-west-1"),
    )

    async def storage(store: Store) -> Any:
        return await store.on(handlers)

    agent = StorageClient(storage)
    print("an old row:", await agent.session.get("from-2024"))
    print("updated:", await agent.session.update("from-2024", {"lastMessageId": "m1"}))
    try:
        await agent.session.update("nobody", {"lastMessageId": "m1"})
    except RecordNotFoundError as error:
        print("refused:", error)
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith("agent_storage_operations_total") and not line.endswith(" 0.0"):
            print(line)


if __name__ == "__main__":
    asyncio.run(main())
