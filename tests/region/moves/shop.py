"""The simulated stores and the simulated registry, each seen by a process through its own network."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from storescope import OPERATIONS, BackendInfo, RecordNotFoundError, wrap
from storescope.backends._kv._engine import ANY, Entry, Expected, Page
from storescope.middleware._region._pins._pin import PINS, Pin
from tests.region.moves.machine import SETTLE, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from storescope import Handlers
    from storescope.backends._kv._memory import MemoryKv
    from tests.region.moves.machine import Machine

    Witness = Callable[[Machine, Pin], Callable[[Pin], None]]
    """Given a pin that is about to be written: returns what judges it, given what it was written over."""

Key = tuple[str, str]


class Store(Peer):
    """All that lies in one region."""

    def __init__(self, region: str) -> None:
        super().__init__(0.0, 0.001, 0.01, 0.01, 0.1, 0.4, 1.0, lingers=SETTLE)
        self.region = region
        self.rows: dict[Key, dict[str, Any]] = {}

    def get(self, entity: str, id: str) -> Any:
        """Return a record."""
        return deepcopy(self.rows.get((entity, id)))

    def set(self, entity: str, id: str, value: dict[str, Any]) -> None:
        """Write a record; one that changes its session goes last."""
        before = self.rows.get((entity, id))
        if before is not None and before.get("sessionId") != value.get("sessionId"):
            del self.rows[entity, id]
        self.rows[entity, id] = deepcopy(value)

    def update(self, entity: str, id: str, updates: dict[str, Any]) -> Any:
        """Merge into a record."""
        if (entity, id) not in self.rows:
            raise RecordNotFoundError(entity, id)
        self.set(entity, id, {**self.rows[entity, id], **updates})
        return self.get(entity, id)

    def listBySession(self, entity: str, session_id: str) -> list[Any]:  # noqa: N802 (the contract's verb)
        """Return the records of a session."""
        return [
            deepcopy(row)
            for (kind, _), row in self.rows.items()
            if kind == entity and row.get("sessionId") == session_id
        ]


class Shop:
    """One store as a process sees it: a handler map, and what an operator may do."""

    def __init__(
        self,
        store: Store,
        machine: Callable[[], Machine],
        witness: Callable[[Machine, Store, str, dict[str, Any]], None],
    ) -> None:
        self.store = store
        self.info = BackendInfo("simulated", store.region, region=store.region, keeps_labels=True)
        self.admin = self
        self._machine = machine
        self._witness = witness

    def handlers(self) -> Handlers:
        """Return the handler map."""
        return wrap({name: self[name] for name in OPERATIONS}, backend=self.info)

    async def purge(self, entity: str, id: str) -> bool:
        """Delete a record."""

        def apply() -> bool:
            return self.store.rows.pop((entity, id), None) is not None

        gone: bool = await self._machine().reach(f"purge {entity} {id}", apply, self.store, writes=True)
        return gone

    def __getitem__(self, name: str) -> Any:
        operation = OPERATIONS[name]
        act = getattr(self.store, operation.verb)

        async def handler(**params: Any) -> Any:
            machine = self._machine()
            self._witness(machine, self.store, name, params)

            def apply() -> Any:
                if machine.loses_a_copy and operation.verb == "set":
                    machine.loses_a_copy = False
                    return None
                return act(operation.entity, **params)

            return await machine.reach(
                f"{name} in {self.store.region}", apply, self.store, writes=operation.writes
            )

        return handler


class Registry:
    """The registry as one process reaches it."""

    def __init__(self, engine: MemoryKv, machine: Machine, witness: Witness) -> None:
        self._engine = engine
        self._machine = machine
        self._witness = witness

    async def get(self, key: str) -> Entry | None:
        """Return an entry."""
        found: Any = await self._do("get", key, lambda: at_once(self._engine.get(key)))
        return found  # type: ignore[no-any-return] # as the engine gave it

    async def put(self, key: str, value: bytes, *, expected: Expected = ANY) -> str:
        """Write an entry."""
        judge = self._witness(self._machine, Pin.from_bytes(value)) if key.startswith(PINS) else None

        def apply() -> str:
            before = at_once(self._engine.get(key))
            version: str = at_once(self._engine.put(key, value, expected=expected))
            if before is not None and judge is not None:
                judge(Pin.from_bytes(before.value))
            return version

        found: Any = await self._do("put", key, apply, writes=True)
        return found  # type: ignore[no-any-return] # as the engine gave it

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete an entry."""
        found: Any = await self._do(
            "delete", key, lambda: at_once(self._engine.delete(key, expected=expected)), writes=True
        )
        return found  # type: ignore[no-any-return] # as the engine gave it

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return entries."""
        found: Any = await self._do(
            "list", prefix, lambda: at_once(self._engine.list(prefix, after=after, limit=limit))
        )
        return found  # type: ignore[no-any-return] # as the engine gave it

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _do(self, verb: str, key: str, apply: Callable[[], Any], *, writes: bool = False) -> Any:
        return await self._machine.reach(f"{verb} {key}", apply, self._machine.registry, writes=writes)


def at_once(doing: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that never waits, as none of `MemoryKv` does."""
    try:
        doing.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")
