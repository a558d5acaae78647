"""A process that runs the workflow with DBOS, or recovers it, until it ends or is killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbos import DBOS, SetWorkflowID

from storescope import StorageClient, call_context, wrap
from storescope.backends import open_backend
from storescope.durable.dbos import step
from storescope.middleware import AuditLog, audit
from tests.durable.workload import TENANT, Runs, fifty_calls

if TYPE_CHECKING:
    from storescope import Handler, Store
    from tests.durable.workload import Job

HANDLERS: dict[str, Handler] = {}


async def on_handlers(store: Store) -> Any:
    return await store.on(HANDLERS)


storage = step(on_handlers)


@DBOS.workflow(max_recovery_attempts=1000)
async def fifty_calls_of_an_agent() -> list[Any]:
    with call_context(tenant=TENANT, actor="agent"):
        return await fifty_calls(StorageClient(storage))


def work(job: Job) -> None:
    asyncio.run(_work(job))
    DBOS.destroy()  # not before the backend is closed: it ends the threads of the loop that it was launched in


async def _work(job: Job) -> None:
    folder = Path(job["folder"])
    DBOS(
        config={
            "name": "crashing",
            "system_database_url": job["engine"],
            "log_level": "ERROR",
            "application_version": "1",
        }
    )
    async with (
        open_backend(job["store"]) as backend,
        AuditLog.open(folder / "audit", auditor=folder / "auditor.pub") as log,
    ):
        HANDLERS.update(wrap(backend, audit(log), Runs(folder).layer()))
        DBOS.launch()
        status = await DBOS.get_workflow_status_async(job["workflow"])
        if status is None:  # not even its start was kept
            with SetWorkflowID(job["workflow"]):
                handle = await DBOS.start_workflow_async(fifty_calls_of_an_agent)
        else:
            handle = await DBOS.retrieve_workflow_async(job["workflow"])
        result = await handle.get_result(polling_interval_sec=0.02)
    (folder / "result.json").write_text(json.dumps(result))
