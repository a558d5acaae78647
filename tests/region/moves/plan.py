"""What happens in a run."""

from __future__ import annotations

from typing import NamedTuple

from tests.region.moves.policies import TENANTS, Policy

SESSIONS = ("s0", "s1", "s2")
OLD = "old"  # the message that was there before there were pins; it is only updated
RECORDS = ("r0", "r1", "r2", "g0", OLD)
PROCESSES = 3


class Act(NamedTuple):
    """One call of an agent.

    Attributes:
        process: Which process makes it.
        operation: What it does.
        session: The session, or what stands for the sandbox or the setup.
        record: The message or part, if it is about one.
        tenant: For whom.
        pause: How long its agent waits before, in seconds.
        caller: From where, if the call says it.
        moves: Whether an update names the session, and so takes the record there.
    """

    process: int
    operation: str
    session: str
    record: str
    tenant: str
    pause: float
    caller: str | None = None
    moves: bool = False


class Trouble(NamedTuple):
    """Something that goes wrong, or changes.

    Attributes:
        what: What it is; `strike` knows them all.
        at: Which process, policy or kind of row.
        session: Which session, if it is about one.
        region: Where, if it is somewhere.
    """

    what: str
    at: int
    session: str
    region: str


class Event(NamedTuple):
    """Trouble at some time.

    Attributes:
        when: When, in seconds.
        trouble: What.
        ambush: If it then waits until a record is about to go from one session to another: how many seconds after
            the session was fenced off it comes.
    """

    when: float
    trouble: Trouble
    ambush: float | None = None


class Move(NamedTuple):
    """An attempt to move a session, and the trouble that comes with its mover's `after`-th request."""

    when: float
    session: str
    after: int
    trouble: Trouble


class Plan(NamedTuple):
    """A run.

    Attributes:
        seed: Of the delays and the faults.
        fault_rate: How often a request is lost, and how often an answer.
        policies: The first one is in force at the beginning.
        callers: Where each process runs.
        acts: The calls.
        moves: The moves.
        events: What happens meanwhile.
    """

    seed: int
    fault_rate: float
    policies: list[Policy]
    callers: tuple[str, ...]
    acts: list[Act]
    moves: list[Move]
    events: list[Event]


def tenant_of(session: str, *, stranger: bool = False) -> str:
    """Return whose a session mostly is, or the other tenant."""
    return TENANTS[(session == "s2") ^ stranger]
