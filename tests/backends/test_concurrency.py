"""Fifty updates at once, from several processes: fifty survive. And several processes open one store at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from storescope.backends import Backend, open_backend
from tests.rounds import LONG

WORKER = Path(__file__).with_name("worker.py")
PROCESSES, EACH = 5, 10
UPDATES = PROCESSES * EACH


def start(url: str, entity: str) -> list[subprocess.Popen[str]]:
    """Start processes that share the updates: fewer where each imports an SDK for seconds."""
    processes = 2 if url.startswith("dynamodb:") else PROCESSES
    each = UPDATES // processes
    return [
        subprocess.Popen(
            [sys.executable, str(WORKER), url, entity, str(number * each), str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]


def release_together(workers: list[subprocess.Popen[str]]) -> None:
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "open\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0


DURABLE = ["local", "postgres", "redis"]


@pytest.fixture(params=[*DURABLE, "dynamodb"] if LONG else DURABLE)
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store that several processes can share."""
    if request.param != "local":
        url: str = request.getfixturevalue(f"{request.param}_url")
        return url
    return f"local:{tmp_path / 'store'}"


@pytest.mark.unmeasured
@pytest.mark.parametrize("entity", ["session", *(["message", "sandbox"] if LONG else [])])
async def test_fifty_updates_from_several_processes_survive(durable_url: str, entity: str) -> None:
    """Each is also in what it returns; that they survive is tried by the conformance suite for every entity."""
    await update_together(durable_url, entity)


@pytest.mark.unmeasured
async def test_fifty_updates_from_two_processes_survive_on_dynamodb(dynamodb_url: str) -> None:
    await update_together(dynamodb_url, "message")


async def update_together(url: str, entity: str) -> None:
    async with open_backend(url) as backend:
        await backend[f"{entity}.set"](id="r", value={"sessionId": "s"})
    await asyncio.to_thread(release_together, start(url, entity))
    async with open_backend(url) as backend:
        expected = {f"f{number}": number for number in range(UPDATES)}
        assert await backend[f"{entity}.get"](id="r") == {"sessionId": "s", **expected}


@pytest.mark.unmeasured
async def test_several_processes_open_one_new_folder_at_once(tmp_path: Path) -> None:
    url = f"local:{tmp_path / 'new'}"
    workers = start(url, "session")
    async with open_backend(url) as backend:
        await backend["session.set"](id="r", value={})
        await asyncio.to_thread(release_together, workers)
        assert len(await backend["session.get"](id="r")) == UPDATES


@pytest.mark.parametrize("entity", ["session", "message", "sandbox"])
async def test_fifty_updates_at_once_survive(backend_url: str, entity: str) -> None:
    async with open_backend(backend_url) as backend:
        await backend[f"{entity}.set"](id="r", value={"sessionId": "s"})
        update = backend[f"{entity}.update"]
        await asyncio.gather(*(update(id="r", updates={f"f{n}": n}) for n in range(50)))
        assert len(await backend[f"{entity}.get"](id="r")) == 51


@pytest.mark.parametrize("url", ["memory:", "local:"])
async def test_threads_may_share_one_backend(url: str, tmp_path: Path) -> None:
    async def updates(backend: Backend, first: int) -> None:
        for number in range(first, first + 25):
            await backend["message.update"](id="r", updates={f"f{number}": number})
            await backend["message.listBySession"](session_id="s")

    async with open_backend(url if url == "memory:" else f"local:{tmp_path}") as backend:
        await backend["message.set"](id="r", value={"sessionId": "s"})
        threads = [Thread(target=lambda first=n * 25: asyncio.run(updates(backend, first))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert len(await backend["message.get"](id="r")) == 101


async def test_moves_at_once_leave_each_record_in_one_session(backend_url: str) -> None:
    async with open_backend(backend_url) as backend:
        for number in range(5):
            await backend["part.set"](id=f"p{number}", value={"id": f"p{number}", "sessionId": "s"})

        async def move(number: int) -> None:
            value: dict[str, Any] = {"id": f"p{number % 5}", "sessionId": f"t{number % 3}"}
            await backend["part.set"](id=value["id"], value=value)

        await asyncio.gather(*(move(number) for number in range(60)))
        listed = [await backend["part.listBySession"](session_id=f"t{n}") for n in range(3)]
        assert sorted(record["id"] for records in listed for record in records) == [f"p{n}" for n in range(5)]
        assert await backend["part.listBySession"](session_id="s") == []


async def test_a_cancelled_call_leaves_the_store_whole(backend_url: str) -> None:
    async with open_backend(backend_url) as backend:
        await backend["message.set"](id="m", value={"sessionId": "s", "n": -1})
        for number in range(40):
            call = asyncio.create_task(backend["message.update"](id="m", updates={"n": number, "m": number}))
            for _ in range(number % 8):
                await asyncio.sleep(0)
            if number % 3 == 0:
                await asyncio.sleep(0.0002)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            record = await backend["message.get"](id="m")
            assert record["n"] == record.get("m", -1)
            assert await backend["session.get"](id="nobody") is None  # replies are not mixed up
        assert (await backend["message.update"](id="m", updates={"n": 99}))["n"] == 99
