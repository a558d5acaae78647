"""`redis://` when the server dies, hangs, fills up or lacks rights; and what it keeps where."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from storescope import BackendError, InvalidRecordError, RecordTooLargeError, call_context
from storescope.backends import Backend, open_backend
from tests.faults.patience import patiently
from tests.faults.traffic import SLACK
from tests.machine_clock import machine_seconds
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

CANARY = "canary-93e0"
TIMEOUT, CONNECTIONS = 0.5, 4


@pytest.fixture
async def backend(redis_server: RedisServer) -> AsyncGenerator[Backend, None]:
    async with open_backend(redis_server.url, timeout=TIMEOUT, max_connections=CONNECTIONS) as opened:
        yield opened


class Raw(Redis):
    """A client beside the backend's."""

    async def run(self, *command: str | int) -> Any:
        return await self.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py has no type


@pytest.fixture
async def raw(redis_server: RedisServer) -> AsyncGenerator[Raw, None]:
    async with Raw(port=redis_server.port, decode_responses=True, protocol=2) as client:
        yield client


async def write_all(backend: Backend) -> None:
    for entity in ("session", "message", "part", "sandbox", "setup"):
        await backend[f"{entity}.set"](id=CANARY, value={"sessionId": "s", "text": CANARY})


async def failure(backend: Backend, operation: str = "message.set") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend[operation](id=CANARY, value={"sessionId": "s", "text": CANARY})
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return caught.value


async def test_a_server_that_comes_back_is_used_again(redis_server: RedisServer, backend: Backend) -> None:
    await asyncio.gather(*(write_all(backend) for _ in range(4)))  # several connections
    redis_server.kill()
    for operation in ("message.set", "session.set", "setup.set"):
        error = await failure(backend, operation)
        assert error.driver_error == "redis.ConnectionError"
        assert error.retryable
    redis_server.start()  # it knows no script any more, and has no data
    await write_all(backend)
    assert (await backend["message.get"](id=CANARY))["text"] == CANARY


async def test_a_restart_between_two_calls_goes_unnoticed(redis_server: RedisServer, backend: Backend) -> None:
    await asyncio.gather(*(write_all(backend) for _ in range(4)))
    redis_server.kill()
    redis_server.start()
    await asyncio.sleep(0.05)  # the loop learns that the connections are closed
    await asyncio.gather(*(write_all(backend) for _ in range(4)))


@contextmanager
def hanging(server: RedisServer) -> Generator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_a_server_that_hangs_costs_the_timeout(redis_server: RedisServer, backend: Backend) -> None:
    calls = 100  # many more than there are connections
    await write_all(backend)
    with hanging(redis_server):
        begun = machine_seconds()
        errors = await asyncio.gather(*(failure(backend) for _ in range(calls)))
        assert machine_seconds() - begun < TIMEOUT + SLACK < calls / CONNECTIONS * TIMEOUT
    assert {error.driver_error for error in errors} == {"redis.TimeoutError"}
    assert all(error.retryable for error in errors)
    await patiently(partial(write_all, backend))
    assert (await backend["session.get"](id=CANARY))["text"] == CANARY


async def test_a_server_that_hangs_at_opening_costs_the_timeout(redis_server: RedisServer) -> None:
    with hanging(redis_server), pytest.raises(BackendError, match=f"127.0.0.1:{redis_server.port}") as caught:
        await open_backend(redis_server.url, timeout=0.2)
    assert caught.value.retryable


async def test_a_full_server_loses_nothing(backend: Backend, raw: Raw) -> None:
    await write_all(backend)
    await raw.config_set("maxmemory", "1")
    for entity in ("session", "message", "setup"):
        with pytest.raises(BackendError) as caught:
            await backend[f"{entity}.set"](id="new", value={"sessionId": "s"})
        assert caught.value.driver_error == "redis.OutOfMemoryError"
        assert caught.value.retryable
    with pytest.raises(BackendError):
        await backend["session.update"](id=CANARY, updates={"a": 1})
    assert await backend["session.get"](id=CANARY) == {"sessionId": "s", "text": CANARY}
    await raw.config_set("maxmemory", "0")
    assert len(await backend["message.listBySession"](session_id="s")) == 1
    assert await backend["session.get"](id="new") is None


async def test_a_primary_that_becomes_a_replica(backend: Backend, raw: Raw, redis_server: RedisServer) -> None:
    await raw.run("REPLICAOF", "127.0.0.1", 1)
    error = await failure(backend)
    assert error.driver_error == "redis.ReadOnlyError"
    assert error.retryable


async def test_an_error_that_quotes_a_key_is_not_passed_on(backend: Backend, raw: Raw) -> None:
    await raw.set(f"storescope::session:{CANARY}", "not a hash")
    with pytest.raises(BackendError) as caught:
        await backend["session.get"](id=CANARY)
    assert caught.value.driver_error == "redis.ResponseError:WRONGTYPE"
    assert not caught.value.retryable
    await raw.run("ACL", "SETUSER", "default", "-@all", "+config|get", "+info")
    assert (await failure(backend)).driver_error == "redis.NoPermissionError"


async def test_a_user_with_few_rights_will_do(redis_server: RedisServer, raw: Raw) -> None:
    rights = ["~storescope:*", "+@read", "+@write", "+@hash", "+ping", "+evalsha", "+script|load", "-@dangerous"]
    await raw.run("ACL", "SETUSER", "agent", "on", ">secret", "+eval", *rights)
    url = redis_server.url.replace("127", "agent:secret@127")
    async with open_backend(url) as backend:
        await write_all(backend)
        await backend["message.update"](id=CANARY, updates={"a": 1})


async def test_a_record_larger_than_the_server_takes(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--proto-max-bulk-len", "1mb").start()
    try:
        async with open_backend(server.url) as backend:
            await write_all(backend)
            large = {"sessionId": "s", "text": "x" * 1_100_000}
            for entity in ("session", "message", "part", "sandbox", "setup"):
                with pytest.raises(RecordTooLargeError):
                    await backend[f"{entity}.set"](id=CANARY, value=large)
                assert (await backend[f"{entity}.get"](id=CANARY))["text"] == CANARY
            for entity in ("session", "message", "sandbox"):
                with pytest.raises(RecordTooLargeError):
                    await backend[f"{entity}.update"](id=CANARY, updates=large)
            many = {f"f{number}": "x" * 1000 for number in range(3000)}  # each field fits
            await backend["session.set"](id="many", value=many)
            assert await backend["session.get"](id="many") == many
    finally:
        server.kill()


async def test_every_key_begins_with_the_prefix(redis_server: RedisServer, raw: Raw) -> None:
    async with open_backend(f"{redis_server.url}?prefix=my/app", tenancy="required") as backend:
        with call_context(tenant="a:b"):
            await write_all(backend)
    keys = {str(key) for key in await raw.keys("*")}
    entities = [f"{entity}:{CANARY}" for entity in ("session", "message", "part", "sandbox", "setup")]
    assert keys == {f"my/app:a%3Ab:{rest}" for rest in [*entities, "messages:s", "parts:s"]}


async def test_an_emptied_session_leaves_no_key(backend: Backend, raw: Raw) -> None:
    await backend["message.set"](id="m", value={"sessionId": "s"})
    await backend["message.set"](id="m", value={"sessionId": "t"})
    assert sorted(await raw.keys("*")) == ["storescope::message:m", "storescope::messages:t"]


async def test_an_empty_record_stays(backend: Backend) -> None:
    for entity in ("session", "sandbox"):
        await backend[f"{entity}.set"](id="e", value={})
        assert await backend[f"{entity}.get"](id="e") == {}
        assert await backend[f"{entity}.update"](id="e", updates={}) == {}
        assert await backend[f"{entity}.update"](id="e", updates={"\ud800": 1, "": 2}) == {"\ud800": 1, "": 2}
        with pytest.raises(InvalidRecordError):
            await backend[f"{entity}.set"](id="e", value={1: 1})


async def test_updates_do_not_pile_up(backend: Backend, raw: Raw) -> None:
    await backend["message.set"](id="m", value={"sessionId": "s"})
    for number in range(100):
        await backend["message.update"](id="m", updates={"text": "x" * 10_000, "n": number})
    value: Any = await raw.hget("storescope::messages:s", "m")
    assert len(value) < 100_000
    assert value.count("\n") < 20


async def test_a_list_is_one_round_trip(backend: Backend, raw: Raw) -> None:
    async def commands() -> int:
        info: dict[str, Any] = await raw.info("stats")
        return int(info["total_commands_processed"])

    for number in range(300):
        await backend["part.set"](id=f"p{number}", value={"sessionId": "s"})
    before = await commands()
    assert len(await backend["part.listBySession"](session_id="s")) == 300
    assert await commands() - before <= 2  # the list, and the question itself
