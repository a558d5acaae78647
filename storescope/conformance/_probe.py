"""`Probe`: how a case calls the map under test, and says what it expects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from storescope.conformance._equal import difference, short
from storescope.context import current_context
from storescope.contract import IN_SESSION
from storescope.errors import InvalidRecordError
from storescope.store import Store

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from storescope.conformance._case import Subject


class ExpectationError(Exception):
    """A case does not hold; the text says what was expected and what came."""


class HandlerError(ExpectationError):
    """A call raised.

    Attributes:
        error: What it raised.
    """

    def __init__(self, operation: str, error: Exception) -> None:
        super().__init__(f"{operation} raised {named(error)}, where it should have returned")
        self.error = error


class NotApplicableError(Exception):
    """A case cannot be tried on this map; the text says why."""


def named(error: BaseException) -> str:
    """Return an exception's class and text as one short line."""
    text = short(str(error)) if str(error) else "without a text"
    return f"{type(error).__name__} ({text})"


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Return what the calls return; if one raises, raise that once all have ended.

    A case that ends early must leave no call behind, running on a store that its owner then closes.
    """
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def fresh_id(prefix: str = "") -> str:
    """Return an id that no store holds yet."""
    return f"{prefix}{uuid4().hex}"


def expect(expected: Any, got: Any, what: str) -> None:
    """Demand that `got` is strictly equal to `expected`."""
    found = difference(expected, got)
    if found is not None:
        raise ExpectationError(f"{what}: {found}")


class Probe:
    """Calls the operations of one entity as an agent does: each call is an envelope for `Store.on`.

    Not through `StorageClient`, which hides what a `set` returns.

    Attributes:
        subject: The map under test.
        entity: Whose operations `get`, `set`, `update` and `listed` are.
        session: A fresh session id, which `record` gives to messages and parts.
    """

    def __init__(self, subject: Subject, entity: str) -> None:
        self.subject = subject
        self.entity = entity
        self.session = fresh_id("session-")

    def of(self, entity: str) -> Probe:
        """Return a probe for another entity of the same map."""
        return Probe(self.subject, entity)

    def has(self, verb: str) -> bool:
        """Return whether the map has this operation of the entity."""
        return f"{self.entity}.{verb}" in self.subject.handlers

    def record(self, id: str, session: str | None = None, /, **fields: Any) -> dict[str, Any]:
        """Return a record that the contract accepts."""
        within = {"sessionId": session or self.session} if self.entity in IN_SESSION else {}
        return {"id": id, **within, **fields}

    async def get(self, id: Any) -> Any:
        """Call `get`."""
        return await self._call("get", id=id)

    async def set(self, id: Any, value: Any) -> Any:
        """Call `set`."""
        return await self._call("set", id=id, value=value)

    async def update(self, id: Any, updates: Any) -> Any:
        """Call `update`."""
        return await self._call("update", id=id, updates=updates)

    async def listed(self, session: Any) -> Any:
        """Call `listBySession`."""
        return await self._call("listBySession", session_id=session)

    async def _call(self, verb: str, **params: Any) -> Any:
        store = Store(f"{self.entity}.{verb}", params, current_context())
        try:
            return await store.on(self.subject.handlers)
        except Exception as error:
            raise HandlerError(store.operation, error) from error

    async def add(self, id: str, session: str | None = None, /, **fields: Any) -> dict[str, Any]:
        """Set a record and return what was set."""
        value = self.record(id, session, **fields)
        await self.set(id, self.record(id, session, **fields))  # a dict of its own: the map may keep it
        return value

    async def expect(self, id: str, expected: Any, after: str) -> None:
        """Demand that `get` returns `expected`."""
        expect(expected, await self.get(id), f"{self.entity}.get after {after}")

    async def expect_list(self, session: str, ids: list[str], after: str) -> None:
        """Demand that the session's list holds these records, in this order."""
        rows = await self.listed(session)
        what = f"{self.entity}.listBySession after {after}"
        if not isinstance(rows, list):
            raise ExpectationError(f"{what}: expected a list, got {short(rows)}")
        got = [row.get("id") if isinstance(row, dict) else row for row in rows]
        if got != ids:
            raise ExpectationError(f"{what}: expected {_told(ids, ids)}, got {_told(got, ids)}")

    async def expect_refused(self, verb: str, arguments: tuple[Any, ...], what: str) -> None:
        """Demand that the call raises `InvalidRecordError`."""
        operation = f"{self.entity}.{verb}"
        method = "listed" if verb == "listBySession" else verb
        try:
            await getattr(self, method)(*arguments)
        except HandlerError as caught:
            if isinstance(caught.error, InvalidRecordError):
                return
            came = named(caught.error)
            raise ExpectationError(f"{operation} with {what}: expected InvalidRecordError, got {came}") from caught
        raise ExpectationError(f"{operation} with {what}: expected InvalidRecordError, but it was accepted")


def _told(got: list[Any], expected: list[str]) -> str:
    """Tell random ids by their place in what was expected: `[1st, 3rd, a stranger]` reads, hex does not."""
    shown = [f"#{expected.index(id_) + 1}" if id_ in expected else short(id_) for id_ in got]
    rest = ["..."] if len(shown) > _SHOWN else []
    return f"[{', '.join(shown[:_SHOWN] + rest)}] ({len(got)} records)"


_SHOWN = 8
