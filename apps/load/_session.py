"""What one agent session does to its storage, turn by turn, as a coding agent does.

It reads what the model is given, stores messages, streams parts as they grow, keeps its sandbox, and now and then
does what is hard for a store: several of its tasks update one record at once.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from storescope.apps.load._sizes import ANSWER, PROMPT, TOOL_OUTPUT, Sizes

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from storescope.apps.load._caller import Caller
    from storescope.apps.load._sizes import Texts
    from storescope.apps.load._tally import Tally

TURNS = Sizes(median=3, p99=12, most=20)
"""How many turns a session has: log-normal, as sizes are."""

_TOOLS = (0, 1, 2, 3, 4)
_TOOL_WEIGHTS = (30, 30, 20, 12, 8)
_STREAMED = 4  # how often a part is stored while it grows
_SUBAGENTS = 12  # report their progress on one message, at once; Redis merges updates from the sixteenth on
_REPORTS = 2  # each
_BUSY_SHARE = 0.1
_STOPPED_SHARE = 0.05
_REAPED_SHARE = 0.2
_EPOCH_MS = 1_767_225_600_000


class AgentSession:
    """One session. All that it does follows from its name and its tenant's."""

    def __init__(self, caller: Caller, texts: Texts, tally: Tally, name: str, setup: str) -> None:
        self._call = caller.call
        self._caller = caller
        self._random = Random(f"{name}/plan")  # noqa: S311 (a load is no secret)
        self._texts = texts
        self._tally = tally
        self._id = name
        self._sandbox = f"{name}-box"
        self._setup = setup
        self._messages = 0
        self._parts = 0
        self._clock = _EPOCH_MS

    async def run(self, tracer: Tracer) -> None:
        """Do it all; each turn is a span, below which its calls are found."""
        with tracer.start_as_current_span("agent setup"):
            await self._begin()
        for _ in range(TURNS.draw(self._random)):
            with tracer.start_as_current_span("agent turn"):
                await self._turn()
            self._tally.turns += 1
        with tracer.start_as_current_span("agent teardown"):
            await self._end()

    async def _begin(self) -> None:
        await self._call("setup.get", id=self._setup)
        await self._call("setup.set", id=self._setup, value={"id": self._setup, "image": "python:3.13"})
        box = {"id": self._sandbox, "setupId": self._setup, "status": "running"}
        await self._call("sandbox.set", id=self._sandbox, value=box)
        await self._call("session.get", id=self._id)
        session = {"id": self._id, "sandboxId": self._sandbox, "createdAt": self._now()}
        await self._call("session.set", id=self._id, value=session)

    async def _end(self) -> None:
        if self._random.random() < _REAPED_SHARE:  # somebody else's box, which is gone
            await self._call("sandbox.update", id=f"{self._id}-gone", updates={"status": "stopped"})
        await self._call("sandbox.update", id=self._sandbox, updates={"status": "stopped"})
        await self._call("session.update", id=self._id, updates={"updatedAt": self._now()})

    async def _turn(self) -> None:
        random = self._random
        await self._message("user", PROMPT)
        await self._caller.together(  # what the model is given
            self._call("session.get", id=self._id),
            self._call("message.listBySession", session_id=self._id),
            self._call("part.listBySession", session_id=self._id),
        )
        answer = await self._message("assistant", None)
        for _ in range(random.choices(_TOOLS, _TOOL_WEIGHTS)[0]):
            await self._tool(answer)
        if random.random() < _BUSY_SHARE:
            await self._report_progress(answer)
        await self._stream(answer)
        await self._call("message.update", id=answer, updates={"status": "done", "updatedAt": self._now()})
        await self._call("message.get", id=answer)
        await self._race_for_session(answer)

    async def _message(self, role: str, sizes: Sizes | None) -> str:
        self._messages += 1
        id_ = f"{self._id}-m{self._messages}"
        text = "" if sizes is None else self._texts.draw(self._random, sizes)
        message = {"id": id_, "sessionId": self._id, "role": role, "text": text, "createdAt": self._now()}
        await self._call("message.set", id=id_, value=message)
        return id_

    async def _tool(self, message: str) -> None:
        """Store a tool's call, look at the sandbox that it runs in, store what it returned."""
        part = self._part(message, "tool")
        await self._call("part.set", id=part["id"], value={**part, "state": "running"})
        await self._call("sandbox.get", id=self._sandbox)
        output = self._texts.draw(self._random, TOOL_OUTPUT)
        await self._call("part.set", id=part["id"], value={**part, "state": "done", "output": output})
        await self._call("part.get", id=part["id"])

    async def _stream(self, message: str) -> None:
        """Store the answer as it grows, unless the user stops it."""
        part, text = self._part(message, "text"), self._texts.draw(self._random, ANSWER)
        stops = self._random.random() < _STOPPED_SHARE
        for step in range(1, _STREAMED + 1):
            grown = {**part, "text": text[: len(text) * step // _STREAMED]}
            if stops and step == _STREAMED:
                await self._caller.stopped("part.set", id=part["id"], value=grown)
                return
            await self._call("part.set", id=part["id"], value=grown)

    async def _race_for_session(self, answer: str) -> None:
        """Let the tasks of the agent update different fields of the session at once."""
        fields = {"lastMessageId": answer, "tokens": self._clock, "title": "load", "updatedAt": self._now()}
        updates = [{name: value} for name, value in fields.items()]
        self._tally.raced += len(updates)
        await self._caller.together(*(self._call("session.update", id=self._id, updates=each) for each in updates))

    async def _report_progress(self, message: str) -> None:
        """Let subagents report on the message that they work for, all at once, again and again."""
        for step in range(_REPORTS):
            self._tally.raced += _SUBAGENTS
            await self._caller.together(
                *(
                    self._call("message.update", id=message, updates={f"progress{agent}": step})
                    for agent in range(_SUBAGENTS)
                )
            )

    def _part(self, message: str, kind: str) -> dict[str, Any]:
        self._parts += 1
        return {"id": f"{self._id}-p{self._parts}", "sessionId": self._id, "messageId": message, "type": kind}

    def _now(self) -> int:
        """Return milliseconds since 1970 of a clock that follows from the seed, like all the rest."""
        self._clock += 1_000
        return self._clock
