"""Peers that go silent without a word, in every state: the bridge gives back what they hold, and others go on."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette

from storescope.apps.serve import _body, _protocol, _server
from storescope.apps.serve._app import bridge_routes
from storescope.apps.serve._body import Bodies
from storescope.apps.serve._gate import Gate
from storescope.apps.serve._health import Health
from storescope.apps.serve._options import ServeOptions
from storescope.apps.serve._refusal import Refusal
from storescope.apps.serve._server import bind
from storescope.apps.serve._stack import opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KIND = "POST /v1/storage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"op": "session.get", "params": {"id": "a"}})
WHOLE = f"{KIND}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
HALF_HEAD, HALF_BODY = WHOLE[:40], WHOLE[:-10]
ANSWERED, TOO_SLOW = b"HTTP/1.1 200", b"HTTP/1.1 408"


@asynccontextmanager
async def served(*, keep_alive: int = 60) -> AsyncGenerator[tuple[uvicorn.Server, tuple[str, int]]]:
    """Serve a real bridge from this process, whose waits tests shorten."""
    async with opened(ServeOptions(backend="memory:")) as stack:
        gate = Gate(None, frozenset())
        app = Starlette(routes=bridge_routes(stack, gate, Health(stack, gate)))
        config = uvicorn.Config(
            app, http=_protocol.Protocol, lifespan="off", log_level="critical", timeout_keep_alive=keep_alive
        )
        server = uvicorn.Server(config)
        with bind("127.0.0.1", 0) as bound:
            serves = asyncio.create_task(server._serve([bound]))
            yield server, bound.getsockname()
            server.should_exit = True
            await serves


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    """Read one answer, and return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    return head


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        ([], []),
        ([HALF_HEAD], []),
        ([HALF_BODY], [TOO_SLOW]),
        ([WHOLE], [ANSWERED]),
        ([WHOLE, HALF_HEAD], [ANSWERED]),
        ([WHOLE, HALF_BODY], [ANSWERED, TOO_SLOW]),
    ],
    ids=["nothing", "half a head", "half a body", "idle", "half a second head", "half a second body"],
)
async def test_who_goes_silent_holds_nothing(
    sent: list[bytes], answers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer never closes, as one whose network is gone: what it holds is given back all the same."""
    monkeypatch.setattr(_protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(_body, "BODY_SECONDS", 0.3)
    async with served(keep_alive=1) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        for number, part in enumerate(sent):
            writer.write(part)
            if number < len(answers):
                assert (await answer_of(reader)).startswith(answers[number])
        async with asyncio.timeout(30):
            await reader.read()  # until the bridge closes
            while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.02)
        await closed(writer)


async def test_who_reads_no_answer_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP gives it up: an answer that nobody takes does not stay."""
    for name in ("_QUIET_SECONDS", "_ASK_SECONDS", "_ASKS"):
        monkeypatch.setattr(_server, name, 1)
    async with served() as (server, address):
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.setblocking(False)  # noqa: FBT003 (its only argument)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, address)
            record = json.dumps({"op": "session.set", "params": {"id": "a", "value": {"x": "x" * 7_000_000}}})
            await loop.sock_sendall(peer, f"{KIND}Content-Length: {len(record)}\r\n\r\n{record}".encode())
            assert (await loop.sock_recv(peer, 4_096)).startswith(ANSWERED)
            await loop.sock_sendall(peer, WHOLE)
            async with asyncio.timeout(60):
                while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110 (it tells nobody)
                    await asyncio.sleep(0.05)


async def test_who_stalls_keeps_nobody_out() -> None:
    async with served() as (_, address):
        stalled = [await asyncio.open_connection(*address) for _ in range(50)]
        for _, writer in stalled:
            writer.write(HALF_HEAD)
        reader, another = await asyncio.open_connection(*address)
        another.write(WHOLE)
        assert (await answer_of(reader)).startswith(ANSWERED)
        for writer in (another, *(writer for _, writer in stalled)):
            await closed(writer)


async def test_who_sends_slowly_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte, within its time."""
    async with served() as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        for byte in WHOLE:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await answer_of(reader)).startswith(ANSWERED)
        await closed(writer)


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_body, "BODY_SECONDS", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    with Bodies().room() as room, pytest.raises(Refusal, match="did not arrive") as refused:
        await room.read(receive, {"content-type": "application/json"})
    assert (refused.value.status, refused.value.headers) == (408, {"connection": "close"})


def test_a_peer_that_is_gone_is_asked_for() -> None:
    """Connections inherit it from the socket that listens: a half-open one is found in a minute, and no answer
    that nobody reads stays longer."""
    with bind("127.0.0.1", 0) as bound:
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
