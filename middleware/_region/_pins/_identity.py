"""Which registry this is: a name that it was given when it was begun, and that it loses if it is emptied.

A registry without its name, or with another one, has lost the pins that this process goes by. Nothing that is
missing there may be taken as never pinned.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

from storescope.errors import BackendError, VersionConflictError
from storescope.middleware._log import tell, tell_seldom
from storescope.middleware._region._pins._pin import EVERYTHING, IDENTITY
from storescope.middleware._region._pins._store import ABSENT

if TYPE_CHECKING:
    from storescope.middleware._region._pins._store import Store


class RegistryLostError(BackendError):
    """The registry was emptied or replaced, or never begun: what has no pin in it may have had one."""


class Identity:
    """The name of the registry that this process has open, read or given once."""

    def __init__(self, engine: Store) -> None:
        self._engine = engine
        self._name: bytes | None = None

    async def learn(self, *, create: bool) -> None:
        """Read the name; give one to an empty registry, if that is wanted.

        Raises:
            RegistryLostError: If it has none, and is not empty or must not be begun.
            BackendError: If the registry cannot be reached.
        """
        self._name = await read(self._engine) or await self._begin(create=create)

    async def _begin(self, *, create: bool) -> bytes:
        if not create:
            raise RegistryLostError(
                "there is no pin registry: it was never begun, or it was emptied. `storescope residency scan "
                "URL ... --policy F --pins URL --adopt` builds it from the labels of the stores; for new "
                "stores create=True begins an empty one"
            )
        is_empty = not (await self._engine.list(EVERYTHING, limit=1)).keys
        name = await begin(self._engine) if is_empty else await read(self._engine)  # it may be begun by now
        if name is None:
            raise RegistryLostError(
                "the pin registry has lost its identity, and perhaps pins with it; rebuild it: `storescope "
                "residency scan URL ... --policy F --pins URL --adopt`"
            )
        return name

    async def make_sure(self) -> None:
        """Make sure that it is still the registry that it was; learn which it is at the first time.

        Raises:
            RegistryLostError: If it is not.
            BackendError: If it cannot be reached.
        """
        if self._name is None:
            await self.learn(create=True)
        elif await read(self._engine) != self._name:
            tell_seldom("error", "storescope.pins_lost")
            raise RegistryLostError("the pin registry was emptied or replaced while it was in use")


async def read(engine: Store) -> bytes | None:
    """Return a registry's name; None if it was never begun, or has lost it."""
    entry = await engine.get(IDENTITY)
    return entry.value if entry else None


async def begin(engine: Store) -> bytes:
    """Give a registry a name, and return it: this one, or that of who was first."""
    name = token_hex(16).encode()
    try:
        await engine.put(IDENTITY, name, expected=ABSENT)
    except VersionConflictError:
        return await read(engine) or name
    tell("warning", "storescope.pins_begun")
    return name
