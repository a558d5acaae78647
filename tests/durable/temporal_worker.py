"""A process that runs the workflow with Temporal until it ends or is killed."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from storescope import wrap
from storescope.backends import open_backend
from storescope.middleware import AuditLog, audit
from tests.durable import temporal_storage
from tests.durable.temporal_workflow import Turns
from tests.durable.workload import Job, Runs


def work(job: Job) -> None:
    asyncio.run(_work(job))


async def _work(job: Job) -> None:
    folder = Path(job["folder"])
    client = await Client.connect(job["engine"])
    async with (
        open_backend(job["store"]) as backend,
        AuditLog.open(folder / "audit", auditor=folder / "auditor.pub") as log,
    ):
        temporal_storage.HANDLERS.update(wrap(backend, audit(log), Runs(folder).layer()))
        queue = job["workflow"]
        async with Worker(
            client,
            task_queue=queue,
            workflows=[Turns],
            activities=temporal_storage.storage.activities,
            sticky_queue_schedule_to_start_timeout=timedelta(
                seconds=0.5
            ),  # how long a killed worker is waited for
        ):
            result: Any = await (await _handle(client, queue)).result()
    (folder / "result.json").write_text(json.dumps(result))


async def _handle(client: Client, name: str) -> Any:
    handle = client.get_workflow_handle(name)
    try:
        await handle.describe()
    except RPCError:  # not even its start was kept
        return await client.start_workflow(Turns.run, id=name, task_queue=name, task_timeout=timedelta(seconds=1))
    return handle
