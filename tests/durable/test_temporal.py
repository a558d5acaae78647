"""Durable steps with a real Temporal server and its sandbox. Temporal's own replayer replays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, Worker

from storescope import BackendError, BackendInfo, InvalidRecordError, Store, wrap
from storescope.durable import Retry
from storescope.durable.temporal import TemporalStorage, activity
from storescope.replays import Replay, add_replay_listener
from tests.durable.temporal_storage import HANDLERS, storage
from tests.durable.temporal_workflow import Get, GetAnother, GetSomethingElse

if TYPE_CHECKING:
    from storescope import Call, Operation, Step
    from tests.durable.temporal_server import TemporalServer

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
    return {"id": id}


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    RAISED.clear()
    for name, handler in wrap({"session.get": get}, seen, backend=BackendInfo("memory")).items():
        monkeypatch.setitem(HANDLERS, name, handler)


async def run(server: TemporalServer) -> tuple[list[Any], WorkflowHistory]:
    """Run the workflow `Get`; return its result and its history."""
    client = await Client.connect(server.address)
    name = uuid4().hex
    async with Worker(client, task_queue=name, workflows=[Get], activities=storage.activities):
        handle = await client.start_workflow(Get.run, id=name, task_queue=name)
        return await handle.result(), await handle.fetch_history()


async def test_completed_calls_are_not_made_again_and_their_replay_is_seen(
    temporal_server: TemporalServer,
) -> None:
    replays: list[Replay] = []

    def listener(replay: Replay) -> None:
        replays.append(replay)

    add_replay_listener(listener)
    result, history = await run(temporal_server)
    assert result == [{"id": "s1"}]
    assert replays == []
    done = await Replayer(workflows=[Get]).replay_workflow(history)
    assert done.replay_failure is None
    (call,) = CALLS
    (replay,) = replays
    assert replay.operation == "session.get"
    assert replay.context.call_id == call.call_id == call.context.call_id


@pytest.mark.parametrize(
    ("raised", "attempts"),
    [
        (BackendError("lost", driver_error="d:1", retryable=True), 3),
        (InvalidRecordError("no"), 1),
    ],
    ids=["retryable", "not"],
)
async def test_errors_keep_their_class_and_are_retried_if_they_may_be(
    raised: Exception, attempts: int, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    RAISED[:] = [raised]
    use_options(monkeypatch, activity(_plain, retry=Retry(attempts=3, seconds=0.01, backoff=1.0)))
    result, _ = await run(temporal_server)
    assert result == [type(raised).__name__, vars(raised)]
    assert [call.attempt for call in CALLS] == list(range(1, attempts + 1))
    assert len({call.call_id for call in CALLS}) == 1


async def test_a_call_that_no_worker_answers_is_an_error_that_says_what_to_look_at(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*, id: str) -> None:
        await asyncio.sleep(60)

    monkeypatch.setitem(HANDLERS, "session.get", hang)
    use_options(monkeypatch, activity(_plain, retry=Retry(attempts=1), seconds=0.5))
    result, _ = await run(temporal_server)
    assert result == ["DurableError", {"maybe_applied": True}]


def use_options(monkeypatch: pytest.MonkeyPatch, other: TemporalStorage) -> None:
    """Let the storage of the workers, which lives as long as the process, take another's options."""
    options: Any = vars(other._engine)["_options"]
    monkeypatch.setattr(storage._engine, "_options", options)


async def _plain(store: Store) -> Any:
    return await store.on(HANDLERS)


async def test_changed_code_is_an_error_and_no_handler_runs(temporal_server: TemporalServer) -> None:
    _, history = await run(temporal_server)
    CALLS.clear()
    done = await Replayer(workflows=[GetSomethingElse]).replay_workflow(history, raise_on_replay_failure=False)
    assert "storage.sandbox.get" in str(done.replay_failure)
    done = await Replayer(workflows=[GetAnother]).replay_workflow(history, raise_on_replay_failure=False)
    assert done.replay_failure is not None
    assert CALLS == []


async def test_outside_of_a_workflow_it_is_a_plain_call() -> None:
    assert await storage(Store("session.get", {"id": "s1"})) == {"id": "s1"}
    assert CALLS[0].context.call_id is None
