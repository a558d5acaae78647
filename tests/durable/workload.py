"""What the workers do: a workflow of fifty storage calls, each with an effect of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from storescope import RecordNotFoundError

if TYPE_CHECKING:
    from storescope import BackendInfo, Call, Middleware, Operation, Step, StorageClient

CALLS = 50
WRITES = 28
"""How many of the calls write."""
TENANT = "acme"
_HANDLER_SECONDS = 0.003  # a store that is not too quick to be killed in


class Job(TypedDict):
    """What a worker process is told: a store's URL, the engine's address, a folder, the workflow's id."""

    store: str
    engine: str
    folder: str
    workflow: str


async def fifty_calls(agent: StorageClient) -> list[Any]:
    """Make them, and return what they returned."""
    results: list[Any] = []
    for turn in range(7):
        message, part = f"m{turn}", f"p{turn}"
        await agent.message.set(message, {"sessionId": "s1", "turn": turn})
        await agent.part.set(part, {"sessionId": "s1", "messageId": message, "text": "é" * turn})
        results += [
            await agent.message.update(message, {"finished": turn}),
            await (agent.session.update if turn else agent.session.set)(
                "s1", {"lastMessageId": message, "t": turn}
            ),
            await agent.message.list_by_session("s1"),
            await agent.part.get(part),
            await agent.session.get("s1"),
        ]
    try:
        await agent.sandbox.update("none", {"state": "lost"})
    except RecordNotFoundError as error:
        results.append([error.entity, error.id])
    return results


class Runs:
    """A file of which handlers began and ended: `begin CALL_ID OPERATION`. What is in it survives a kill."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / "runs"
        self.path.touch()

    def layer(self) -> Middleware:
        """Return the innermost layer, which writes it."""
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)

        def note(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
            async def step(call: Call) -> Any:
                os.write(file, f"begin {call.call_id} {operation.name}\n".encode())
                await asyncio.sleep(_HANDLER_SECONDS)
                try:
                    return await next_step(call)
                finally:
                    os.write(file, f"end {call.call_id} {operation.name}\n".encode())

            return step

        return note

    def lines(self, event: str) -> list[tuple[str, str]]:
        """Return the call id and operation of each `begin` or `end`, in order."""
        split = (line.split() for line in self.path.read_text().splitlines())
        return [(call_id, operation) for found, call_id, operation in split if found == event]
