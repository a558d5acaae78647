"""A store in memory as a user would write it, which yields before and after it applies, and fails there."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from storescope import OPERATIONS, RecordNotFoundError
from tests.region.simulation.attempts import IN_SESSION
from tests.region.simulation.scheduler import pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.region.simulation.world import World

Key = tuple[str, str]


class FaultError(Exception):
    """The store failed."""


class Storage:
    """All that one store holds.

    Attributes:
        name: As the trace calls it.
        region: Where it is.
        rows: Entity and id -> record, as it is kept.
        listed: Entity and id -> the session whose list it is in.
    """

    def __init__(self, name: str, region: str, world: World, *, hands_out_its_own: bool) -> None:
        self.name = name
        self.region = region
        self.rows: dict[Key, Any] = {}
        self.listed: dict[Key, str] = {}
        self._written: dict[Key, Any] = {}
        self._world = world
        self._hands_out_its_own = hands_out_its_own

    def put(self, key: Key, record: Any, listed: str | None) -> None:
        """Keep a record, in the list of a session."""
        self.rows[key], self._written[key] = record, deepcopy(record)
        if listed is not None:
            self.listed[key] = listed

    def drop(self, key: Key) -> None:
        """Forget a record."""
        for table in (self.rows, self._written, self.listed):
            table.pop(key, None)

    @property
    def is_as_written(self) -> bool:
        """Whether every record is what was last written, and nobody bent what the store handed out."""
        return self.rows == self._written

    def handlers(self) -> dict[str, Any]:
        """Return the fifteen handlers."""
        return {name: self._handler(name) for name in OPERATIONS}

    def _handler(self, name: str) -> Any:
        entity, verb = OPERATIONS[name].entity, OPERATIONS[name].verb
        apply: Callable[..., Any] = getattr(self, f"_{verb}")

        async def handler(**params: Any) -> Any:
            contact = self._world.contact(self, name, params)
            await pause(f"{name} before it applies")
            self._fail("before")
            result = apply(entity, **params)
            self._world.applied(contact, result)
            await pause(f"{name} after it applied")
            self._fail("after")
            return result

        return handler

    def _fail(self, when: str) -> None:
        if self._world.chance.random() < 0.03:
            self._world.note("the store fails")
            self._world.seen[f"fails {when}"] += 1
            raise FaultError

    def _hand_out(self, record: Any) -> Any:
        return record if self._hands_out_its_own else deepcopy(record)

    def _get(self, entity: str, *, id: str) -> Any:
        return self._hand_out(self.rows.get((entity, id)))

    def _set(self, entity: str, *, id: str, value: Any) -> None:
        self.put((entity, id), deepcopy(value), value["sessionId"] if entity in IN_SESSION else None)

    def _update(self, entity: str, *, id: str, updates: Any) -> Any:
        key = (entity, id)
        if key not in self.rows:
            raise RecordNotFoundError(entity, id)
        before = self.rows[key]
        record = {**(before if isinstance(before, dict) else {}), **deepcopy(updates)}
        self.put(key, record, updates.get("sessionId") if entity in IN_SESSION else None)
        return self._hand_out(record)

    def _listBySession(self, entity: str, *, session_id: str) -> Any:  # noqa: N802 (the contract's verb)
        keys = [key for key, session in self.listed.items() if key[0] == entity and session == session_id]
        return [self._hand_out(self.rows[key]) for key in keys]
