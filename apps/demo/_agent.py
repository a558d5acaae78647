"""A scripted agent: it stores what an agent with a model would store, and its tools really run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from storescope.apps.demo import _tools as tools

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.trace import Tracer

    from storescope import StorageClient
    from storescope.apps.demo._tools import Tool


@dataclass(slots=True)
class Turn:
    """What was asked, what the agent did, what it said."""

    question: str
    tools: list[tuple[str, str]] = field(default_factory=list)
    answer: str = ""


class Agent:
    """One session of the agent over one folder."""

    def __init__(self, client: StorageClient, tracer: Tracer, folder: Path) -> None:
        self._client = client
        self._tracer = tracer
        self._folder = folder
        self.session_id = f"session-{uuid4().hex[:12]}"
        self._sandbox_id = f"sandbox-{uuid4().hex[:12]}"
        self._messages = 0
        self._parts = 0

    async def run(self) -> list[Turn]:
        """Prepare the session and answer what it is asked."""
        turns: list[Turn] = []
        with self._tracer.start_as_current_span("agent setup"):
            await self._prepare()
        for question, script in tools.script(self._folder):
            with self._tracer.start_as_current_span(f"agent turn {len(turns) + 1}"):
                turns.append(await self._turn(question, script))
        with self._tracer.start_as_current_span("agent teardown"):
            await self._client.sandbox.update(self._sandbox_id, {"status": "stopped"})
        return turns

    async def _prepare(self) -> None:
        client = self._client
        if await client.setup.get("demo-setup") is None:
            await client.setup.set("demo-setup", {"id": "demo-setup", "image": "python:3.11", "version": 1})
        await client.sandbox.set(
            self._sandbox_id, {"id": self._sandbox_id, "setupId": "demo-setup", "status": "running"}
        )
        if await client.session.get(self.session_id) is None:
            session = {"id": self.session_id, "sandboxId": self._sandbox_id, "createdAt": _now()}
            await client.session.set(self.session_id, session)

    async def _turn(self, question: str, script: dict[str, Tool]) -> Turn:
        turn = Turn(question)
        await self._message("user", question)
        answer_id = await self._message("assistant", "")
        for name, tool in script.items():
            turn.tools.append((name, await self._use_tool(answer_id, name, tool)))
        turn.answer = "; ".join(summary for _, summary in turn.tools)
        await self._client.message.update(answer_id, {"text": turn.answer, "status": "done"})
        await self._client.session.update(self.session_id, {"lastMessageId": answer_id, "updatedAt": _now()})
        # What the model of the next turn would be given.
        await self._client.message.list_by_session(self.session_id)
        await self._client.part.list_by_session(self.session_id)
        return turn

    async def _message(self, role: str, text: str) -> str:
        self._messages += 1
        message_id = f"{self.session_id}-m{self._messages}"
        await self._client.message.set(
            message_id,
            {"id": message_id, "sessionId": self.session_id, "role": role, "text": text, "createdAt": _now()},
        )
        return message_id

    async def _use_tool(self, message_id: str, name: str, tool: Tool) -> str:
        """Run a tool and store the call as a part, before and after."""
        self._parts += 1
        part_id = f"{self.session_id}-p{self._parts}"
        part = {"id": part_id, "sessionId": self.session_id, "messageId": message_id, "tool": name}
        await self._client.part.set(part_id, {**part, "state": "running"})
        with self._tracer.start_as_current_span(f"tool {name}"):
            try:
                output = await tool()
                state, text, summary = "done", output.text, output.summary
            except OSError as error:  # a file went away, or may not be read
                state, text, summary = "failed", "", f"failed: {error.strerror}"
        await self._client.part.set(part_id, {**part, "state": state, "output": text})
        return summary


def _now() -> int:
    """Return the time in milliseconds since 1970, as the agent's records have it."""
    return time.time_ns() // 1_000_000
