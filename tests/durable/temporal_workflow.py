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


@workflow.defn
class Get:
    """Gets a session, and says how that ended."""

    @workflow.run
    async def run(self) -> list[Any]:
        try:
            return [await StorageClient(storage).session.get("s1")]
        except StorageError as error:
            return [type(error).__name__, vars(error)]


@workflow.defn(name="Get")
class GetSomethingElse:
    """The code of `Get` after a change."""

    @workflow.run
    async def run(self) -> list[Any]:
        return [await StorageClient(storage).sandbox.get("s1")]


@workflow.defn(name="Get", failure_exception_types=[StorageError])
class GetAnother:
    """The same operation on another record."""

    @workflow.run
    async def run(self) -> list[Any]:
        return [await StorageClient(storage).session.get("s2")]
