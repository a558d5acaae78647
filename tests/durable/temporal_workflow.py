"""The workflow of fifty calls for Temporal. Its module is loaded anew in each workflow's sandbox."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from storescope import StorageClient, StorageError, call_context
    from tests.durable.temporal_storage import storage
    from tests.durable.workload import TENANT, fifty_calls


@workflow.defn(failure_exception_types=[StorageError])
class Turns:
    @workflow.run
    async def run(self) -> list[Any]:
        with call_context(tenant=TENANT, actor="agent"):
            return await fifty_calls(StorageClient(storage))
