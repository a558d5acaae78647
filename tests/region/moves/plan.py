"""What happens in a run: drawn by hypothesis, so that a failing run shrinks to the few things that matter."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from tests.region.moves.policies import EU, TENANTS, US, Policy, policies

SESSIONS = ("s0", "s1", "s2")
OLD = "old"  # the message that was there before there were pins; it is only updated
RECORDS = ("r0", "r1", "r2", OLD)
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
        what: One of `TROUBLES`.
        at: Which process, policy or kind of row.
        session: Which session, if it is about one.
        region: Where, if it is somewhere.
    """

    what: str
    at: int
    session: str
    region: str


class Event(NamedTuple):
    """Trouble at some time, in seconds."""

    when: float
    trouble: Trouble


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


OPERATIONS = (
    "session.set", "session.get", "session.update", "message.set", "message.set", "message.get", "message.update",
    "message.update", "message.listBySession", "part.set", "part.get", "part.listBySession", "sandbox.set",
    "sandbox.get", "sandbox.update", "setup.set", "setup.get",
)  # fmt: skip
TROUBLES = ("policy", "policy", "rogue", "crash", "unplug", "freeze", "outage", "old record")
AT_MOVER = (
    "crash mover",
    "crash mover",
    "freeze mover",
    "unplug mover",
    "second mover",
    "lose a copy",
    "nothing",
)

_sessions = st.sampled_from(["s0", "s0", "s1", "s2"])
_regions = st.sampled_from([EU, US])
_acts = st.builds(
    lambda process, operation, session, record, stranger, pause, rest: Act(
        process, operation, session, record, tenant_of(session, stranger=stranger), pause, *rest
    ),
    st.integers(0, PROCESSES - 1),
    st.sampled_from(OPERATIONS),
    _sessions,
    st.sampled_from(RECORDS),
    st.sampled_from([False] * 7 + [True]),
    st.sampled_from([0.0, 0.0, 0.1, 0.5, 2.0, 4.0]),
    st.sampled_from([(None, False), (None, True), (None, False), (None, False), (None, True), (EU, False), (US, False)]),
)


def tenant_of(session: str, *, stranger: bool = False) -> str:
    """Return whose a session mostly is, or the other tenant."""
    return TENANTS[(SESSIONS.index(session) + stranger) % 2]


def _troubles(what: tuple[str, ...]) -> st.SearchStrategy[Trouble]:
    return st.builds(Trouble, st.sampled_from(what), st.integers(0, 3), _sessions, _regions)


_when = st.sampled_from([1 + 0.5 * step for step in range(21)])
_events = st.builds(Event, _when, _troubles(TROUBLES))
_moves = st.builds(
    Move,
    _when,
    _sessions,
    st.sampled_from([*range(1, 12), *range(12, 60, 3)]),
    _troubles((*AT_MOVER, *TROUBLES)),
)
plans = st.builds(
    Plan,
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.0, 0.02, 0.05]),
    st.lists(policies, min_size=1, max_size=3),
    st.sampled_from([(EU, EU, EU), (EU, US, EU)]),
    st.sampled_from([0, 20, 30, 40, 50]).flatmap(lambda least: st.lists(_acts, min_size=least, max_size=least + 10)),
    st.lists(_moves, max_size=6),
    st.lists(_events, max_size=6),
)
