"""A small TCP proxy in front of a server, whose way of failing a test switches while traffic runs through it.

It runs on a thread and a loop of its own, so that it goes on while the test's loop is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from enum import Enum, auto
from threading import Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

_T = TypeVar("_T")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: close with RST
_DELAY = 0.05


class Mode(Enum):
    """What becomes of what clients send."""

    PASS = auto()
    SLOW = auto()
    """Each piece is held for 50 ms, or the proxy's own delay, both ways."""
    RESET = auto()
    """Every connection is reset, the open ones and each new one."""
    REFUSE = auto()
    """Every connection is reset, and nothing listens any more."""
    BLACK_HOLE = auto()
    """Connections stay open and new ones are accepted; all that is sent is lost, both ways."""
    DEAF = auto()
    """What clients send arrives, and no answer comes back."""
    STRANDED = auto()
    """The connections of now are black holes for ever; new ones pass."""


class _Link:
    """One client's connection. What it has lost it stays without: a black hole once is one for ever."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.upstream: asyncio.StreamWriter | None = None
        self.lost = False
        self.end = b""  # of what the client sent last: a word may lie across two pieces

    def reset(self) -> None:
        for writer in (self.writer, self.upstream):
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()


class Proxy:
    """Listens on a port of its own, in front of `port`; `SLOW` holds a piece for `delay` seconds.

    Args:
        port: The server's.
        delay: In seconds.
        words: What to listen for in what clients send.

    Attributes:
        heard: How many pieces had each of the words in them.
    """

    def __init__(self, port: int, delay: float = _DELAY, words: Sequence[bytes] = ()) -> None:
        self.heard = Counter(dict.fromkeys(words, 0))
        self._longest = max(map(len, words), default=0)
        self._delay = delay
        self.port = free_port()
        self.target = port
        self._mode = Mode.PASS
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, url: str) -> str:
        """Return the server's URL, by way of this proxy."""
        return url.replace(f":{self.target}/", f":{self.port}/")

    def switch(self, mode: Mode) -> None:
        """Fail like that from now on."""
        self._run(self._switch(mode))

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _switch(self, mode: Mode) -> None:
        self._mode = mode
        if mode in {Mode.RESET, Mode.REFUSE}:
            for link in self._links:
                link.reset()
        if mode is Mode.STRANDED:
            for link in self._links:
                link.lost = True
        if mode is Mode.REFUSE:
            await self._stop_listening()
        elif self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()  # not `wait_closed`: since Python 3.12 that waits for its connections
            self._listener = None

    async def _close(self) -> None:
        await self._stop_listening()
        for link in self._links:
            link.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports say good-bye

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(reader, writer)
        self._links.add(link)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._carry(link)
        finally:
            link.reset()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _carry(self, link: _Link) -> None:
        if self._mode is Mode.RESET:
            return
        if self._mode is Mode.BLACK_HOLE:
            link.lost = True
            while await link.reader.read(65_536):
                pass
            return
        answers, link.upstream = await asyncio.open_connection("127.0.0.1", self.target)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(link, link.reader, link.upstream, {Mode.BLACK_HOLE}))
            both.create_task(self._pump(link, answers, link.writer, {Mode.BLACK_HOLE, Mode.DEAF}))

    async def _pump(
        self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, loses: set[Mode]
    ) -> None:
        """Carry one direction. At its end the whole connection ends, unless its answers are lost."""
        with contextlib.suppress(OSError):
            while piece := await source.read(65_536):
                if source is link.reader:
                    self._listen_for_words(link, piece)
                if self._mode in loses:
                    link.lost = True
                if self._mode is Mode.SLOW:
                    await asyncio.sleep(self._delay)
                if not link.lost or (self._mode is Mode.DEAF and source is link.reader):
                    sink.write(piece)
                    await sink.drain()
        if not link.lost:
            sink.close()

    def _listen_for_words(self, link: _Link, piece: bytes) -> None:
        said = link.end + piece
        for word in self.heard:
            self.heard[word] += word in said
        link.end = said[len(said) - self._longest + 1 :]
