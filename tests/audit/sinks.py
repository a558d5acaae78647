"""Sinks that take, fail, wait and hang, for tests."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from storescope import AuditError

if TYPE_CHECKING:
    from collections.abc import Awaitable


class Taking:
    """Keeps what it is given."""

    region: str | None = None

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.durable: list[bool] = []

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        record = json.loads(f"{{{text}}}")
        assert record["phase"] == phase
        self.records.append(record)
        self.durable.append(durable)
        return self.answer()

    def answer(self) -> Awaitable[None] | None:
        return None

    @property
    def seen(self) -> list[tuple[str, str | None]]:
        return [(record["phase"], record["outcome"]) for record in self.records]


class Failing(Taking):
    """Takes nothing, and says so at once."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error or AuditError("this sink cannot take records")

    def answer(self) -> Awaitable[None] | None:
        raise self.error


class Slow(Taking):
    """Answers after a while, and then perhaps that it failed."""

    def __init__(self, seconds: float = 0.05, error: BaseException | None = None, timeout: float = 10.0) -> None:
        super().__init__()
        self.seconds, self.error, self.timeout = seconds, error, timeout
        self.waited = 0

    def answer(self) -> Awaitable[None] | None:
        return self.wait()

    async def wait(self) -> None:
        await asyncio.sleep(self.seconds)
        self.waited += 1
        if self.error is not None:
            raise self.error


class Silent(Slow):
    """Never answers."""

    def __init__(self, timeout: float = 0.05) -> None:
        super().__init__(3600, timeout=timeout)
