"""An agent of several turns that is killed in the middle of one, and goes on where it was: DBOS.

    python examples/durable_agent_dbos.py                                                   # all on SQLite
    python examples/durable_agent_dbos.py postgresql://agent:secret@localhost:5432/agents   # all on Postgres

A child process runs three turns and dies in the second. This process recovers the workflow: what was done is not
done again, and a write that was interrupted has its effect once.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync

from storescope import BackendError, Handler, StorageClient, Store, call_context, wrap
from storescope.backends import open_backend
from storescope.durable.dbos import step
from storescope.middleware import AuditLog, audit

HANDLERS: dict[str, Handler] = {}
DIES = "--dies" in sys.argv
KILLED = 9


async def on_handlers(store: Store) -> Any:
    """The storage function that the agent had before."""
    return await store.on(HANDLERS)


storage = step(on_handlers)  # the only line that is new


@DBOS.workflow()
async def agent(session: str, tenant: str, questions: list[str]) -> int:
    """Answer questions, each in a turn of its own. For whom comes as an argument: that survives a crash."""
    client = StorageClient(storage)
    with call_context(tenant=tenant, actor="example"):
        await client.session.set(session, {"createdAt": 1})
        for turn, question in enumerate(questions):
            message = f"{session}-{turn}"
            await client.message.set(message, {"sessionId": session, "question": question})
            if DIES and turn == 1:
                os._exit(KILLED)
            await client.part.set(f"{message}-answer", {"sessionId": session, "messageId": message, "text": "42"})
            await client.session.update(session, {"lastMessageId": message})
        return len(await client.message.list_by_session(session))


async def work(folder: Path, store: str, system: str) -> None:
    """Start the workflow, or recover it, and wait for its end."""
    async with open_backend(store) as backend, AuditLog.open(folder / "audit", auditor=folder / "key.pub") as log:
        HANDLERS.update(wrap(backend, audit(log)))
        DBOS(config={"name": "example", "system_database_url": system, "log_level": "ERROR"})
        DBOS.launch()  # in the loop that opened the backend: recovered workflows run in this one
        if DIES:
            with SetWorkflowID(folder.name):
                await DBOS.start_workflow_async(agent, "s1", "acme", ["What?", "Why?", "How?"])
        handle: WorkflowHandleAsync[int] = await DBOS.retrieve_workflow_async(folder.name)
        print(f"{await handle.get_result()} messages")
        print(f"{log.stats.records['outcome']} calls were made by the process that recovered it")


def main(folder: Path, url: str | None) -> int:
    """Let a child die, then recover what it was doing."""
    once = "effect_days=7"  # a write that is run again has its effect once
    store = f"{url}?migrate=true&{once}" if url else f"local:{folder / 'store'}?{once}"
    system = url or f"sqlite:///{folder / 'dbos.sqlite'}"
    try:
        asyncio.run(work(folder, store, system))
    except BackendError as error:
        print(error, file=sys.stderr)
        return 1
    DBOS.destroy()
    return 0


def run(url: str | None) -> int:
    """Make a folder and an auditor's key, and run twice."""
    with tempfile.TemporaryDirectory(prefix="durable-") as name:
        keygen = [str(Path(sys.executable).parent / "storescope"), "audit", "keygen", f"{name}/key"]
        subprocess.run(keygen, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own words)
        child = [sys.executable, __file__, *([url] if url else []), "--dies", name]
        died = subprocess.run(child, check=False).returncode  # noqa: S603 (our own words)
        if died != KILLED:
            return died
        print("the first process died in the second turn")
        return main(Path(name), url)


if __name__ == "__main__":
    given = next((word for word in sys.argv[1:] if word.startswith("postgresql:")), None)
    sys.exit(main(Path(sys.argv[-1]), given) if DIES else run(given))
