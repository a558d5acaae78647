"""Random plans: drawn by hypothesis, so that a failing one shrinks to the few that matter, or from a seed."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

from hypothesis import strategies as st

from storescope import OPERATIONS as ALL_OPERATIONS
from tests.region.moves.plan import OLD, PROCESSES, Act, Event, Move, Plan, Trouble, tenant_of
from tests.region.moves.policies import EU, RULES, TENANTS, US, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_OFTEN = {
    "session.set": 2,
    "session.update": 2,
    "message.set": 4,
    "message.update": 3,
    "message.get": 2,
    "part.set": 2,
}
OPERATIONS = tuple(name for name in ALL_OPERATIONS for _ in range(_OFTEN.get(name, 1)))
SESSIONS = ("s0", "s0", "s0", "s1", "s1", "s2")  # mostly one, so that much happens to it
MOVED = ("s0", "s0", "s0", "s0", "s1", "s2")
RECORDS = {"acme": ("r0", "r0", "r1", "r1", "r2", OLD), "globex": ("g0",)}
PAUSES = (0.0, 0.0, 0.0, 0.2, 0.5, 2.0)  # seconds
TIMES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)  # seconds
AMBUSHES = (None, None, None, 0.0, 0.1, 0.3)  # seconds
AFTER = (*range(1, 12), *range(12, 60, 3))  # requests of a mover
FAULT_RATES = (0.0, 0.0, 0.02, 0.05)
CALLERS = ((EU, EU, EU), (EU, US, EU))
FROM = (*[(None, False), (None, True)] * 5, (EU, False), (US, False))
TROUBLES = (
    *("policy", "policy", "rogue", "crash", "unplug", "unplug", "freeze", "freeze", "hang", "hang", "outage"),
    *("move", "old record"),
)
AT_MOVER = (
    "crash mover",
    "crash mover",
    "freeze mover",
    "unplug mover",
    "hang mover",
    "lose a copy",
    "nothing",
)


class Chance(Protocol):
    """What decides."""

    def one(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        ...

    def many(self, make: Callable[[Chance], T], least: int, most: int) -> list[T]:
        """Return several things."""
        ...


class Seeded:
    """Decides by a seed."""

    def __init__(self, seed: object) -> None:
        self._random = Random(str(seed))

    def one(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return self._random.choice(options)

    def many(self, make: Callable[[Chance], T], least: int, most: int) -> list[T]:
        """Return several things."""
        return [make(self) for _ in range(self._random.randint(least, most))]


class Drawn:
    """Decides as hypothesis does."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def one(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return self._draw(st.sampled_from(options))

    def many(self, make: Callable[[Chance], T], least: int, most: int) -> list[T]:
        """Return several things."""
        return self._draw(st.lists(_made(make), min_size=least, max_size=most))


@st.composite
def _made(draw: st.DrawFn, make: Callable[[Chance], T]) -> T:
    return make(Drawn(draw))


def random_plan(chance: Chance) -> Plan:
    """Return a plan."""
    least = chance.one((60, 40, 80, 20, 10))
    return Plan(
        chance.one(range(2**32)),
        chance.one(FAULT_RATES),
        chance.many(_policy, 1, 3),
        chance.one(CALLERS),
        chance.many(_act, least, least + 10),
        chance.many(_move, 0, 6),
        chance.many(_event, 0, 6),
    )


plans = _made(random_plan)


def _policy(chance: Chance) -> Policy:
    return tuple(chance.one(RULES) for _ in TENANTS)


def _act(chance: Chance) -> Act:
    session = chance.one(SESSIONS)
    tenant = tenant_of(session, stranger=chance.one(range(10)) == 9)
    caller, moves = chance.one(FROM)
    return Act(
        chance.one(range(PROCESSES)),
        chance.one(OPERATIONS),
        session,
        chance.one(RECORDS[tenant_of(session)]),
        tenant,
        chance.one(PAUSES),
        caller,
        moves,
    )


def _trouble(chance: Chance, what: tuple[str, ...]) -> Trouble:
    return Trouble(chance.one(what), chance.one(range(4)), chance.one(SESSIONS), chance.one((EU, US)))


def _event(chance: Chance) -> Event:
    return Event(chance.one(TIMES), _trouble(chance, TROUBLES), chance.one(AMBUSHES))


def _move(chance: Chance) -> Move:
    return Move(chance.one(TIMES), chance.one(MOVED), chance.one(AFTER), _trouble(chance, (*AT_MOVER, *TROUBLES)))
