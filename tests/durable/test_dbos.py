"""Durable steps with DBOS itself. A fork of a workflow replays its steps, as a recovery does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from dbos import DBOS, SetWorkflowID

from storescope import BackendError, BackendInfo, InvalidRecordError, StorageClient, call_context, wrap
from storescope.durable import DurableError, Place, Retry
from storescope.durable.dbos import step

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from storescope import Call, Operation, Step, Store

CANARY = "canary-4711"
CALLS: list[Call] = []
RAISED: list[Exception] = []


def seen(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
    async def called(call: Call) -> Any:
        CALLS.append(call)
        if RAISED:
            raise RAISED[0]
        return await next_step(call)

    return called


async def get(*, id: str) -> dict[str, Any]:
    return {"id": id, "note": CANARY}


HANDLERS = wrap({"session.get": get, "sandbox.get": get}, seen, backend=BackendInfo("memory"))


async def on_handlers(store: Store) -> Any:
    return await store.on(HANDLERS)


STORAGES = {
    "plain": step(on_handlers),
    "renamed": step(on_handlers, name="memory"),
    "retried": step(HANDLERS, retry=Retry(attempts=3, seconds=0.001, backoff=1.0)),
    "referring": step(on_handlers, results="reference"),
}
CODE: list[Callable[[], Any]] = []  # what the workflow does now: code that changes


@DBOS.workflow()
async def workflow() -> Any:
    return await CODE[0]()


@DBOS.step()
async def one_step() -> Any:
    return await StorageClient(STORAGES["plain"]).session.get("s1")


def code(*ids: str, storage: str = "plain") -> Callable[[], Any]:
    async def run() -> Any:
        agent = StorageClient(STORAGES[storage])
        return [await agent.session.get(id_) for id_ in ids]

    return run


@pytest.fixture(autouse=True)
async def launched(tmp_path: Path) -> AsyncGenerator[Path]:
    CALLS.clear()
    RAISED.clear()
    file = tmp_path / "dbos.sqlite"
    DBOS(
        config={
            "name": "tests",
            "system_database_url": f"sqlite:///{file}",
            "log_level": "CRITICAL",
            "application_version": "1",
        }
    )
    DBOS.launch()
    yield file
    DBOS.destroy()


async def run(what: Callable[[], Any]) -> tuple[str, Any]:
    """Run a workflow; return its id and its result."""
    CODE[:] = [what]
    name = uuid4().hex
    with SetWorkflowID(name), call_context(tenant="acme"):
        handle = await DBOS.start_workflow_async(workflow)
    return name, await handle.get_result(polling_interval_sec=0.01)


async def replay(name: str, what: Callable[[], Any], *, steps: int) -> Any:
    """Run it again, with another code perhaps, its first steps from the log."""
    CODE[:] = [what]
    handle = await DBOS.fork_workflow_async(name, steps + 1)
    return await handle.get_result(polling_interval_sec=0.01)


async def test_completed_calls_are_not_made_again_and_the_rest_knows_its_tenant() -> None:
    name, result = await run(code("s1", "s2", "s3"))
    assert [call.call_id for call in CALLS] == [
        Place("dbos", name, str(number), 1).call_id for number in (1, 2, 3)
    ]
    CALLS.clear()
    assert await replay(name, code("s1", "s2", "s3"), steps=2) == result
    (call,) = CALLS
    assert (call.record_id, call.context.tenant) == ("s3", "acme")


async def test_a_call_in_a_step_of_the_users_own_is_a_plain_call() -> None:
    assert (await run(one_step))[1] == {"id": "s1", "note": CANARY}
    assert CALLS[0].context.call_id is None
    assert await StorageClient(STORAGES["plain"]).session.get("s2") == {"id": "s2", "note": CANARY}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (code("s2"), "has session.get of another record"),
        (code("s1", storage="renamed"), "recorded when memory.session.get was expected"),
        (lambda: StorageClient(STORAGES["plain"]).sandbox.get("s1"), "storage.sandbox.get was expected"),
    ],
    ids=["another record", "renamed", "another operation"],
)
async def test_changed_code_is_an_error_before_a_handler_runs(changed: Callable[[], Any], says: str) -> None:
    name, _ = await run(code("s1"))
    CALLS.clear()
    with pytest.raises(DurableError, match=says):
        await replay(name, changed, steps=1)
    assert CALLS == []


async def test_errors_keep_their_class_are_retried_if_they_may_be_and_replayed() -> None:
    async def caught() -> Any:
        try:
            await StorageClient(STORAGES["retried"]).session.get("s1")
        except (BackendError, InvalidRecordError) as error:
            return [type(error).__name__, vars(error)]

    for raised, attempts in (
        (BackendError("x", driver_error="d:1", retryable=True), 3),
        (InvalidRecordError("y"), 1),
    ):
        CALLS.clear()
        RAISED[:] = [raised]
        name, result = await run(caught)
        assert result == [type(raised).__name__, vars(raised)]
        assert [call.attempt for call in CALLS] == list(range(1, attempts + 1))
        CALLS.clear()
        assert await replay(name, caught, steps=1) == result
        assert CALLS == []


async def test_the_system_database_keeps_no_content_of_references(launched: Path) -> None:
    async def quietly() -> None:
        await StorageClient(STORAGES["referring"]).session.get("s1")

    await run(quietly)
    with closing(sqlite3.connect(launched)) as db:
        assert db.execute("SELECT count(*) FROM operation_outputs").fetchone() == (1,)
        assert CANARY not in "\n".join(db.iterdump())
