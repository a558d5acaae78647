"""What happens in a run: drawn by hypothesis, so that a failing run shrinks to the few things that matter."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

EU, US = "aws:eu-west-1", "aws:us-east-1"
TENANTS = ("acme", "globex")
POLICIES = (
    {"acme": ((EU, US), EU), "globex": ((EU, US), US)},
    {"acme": ((EU,), EU), "globex": ((EU, US), EU)},
    {"acme": ((US,), US), "globex": ((US,), US)},
)
"""What each of the policies lets a tenant have: where, and at home where."""
SESSIONS = ("s0", "s1", "merged")  # the last one is only ever updated
RECORDS = ("r0", "r1")
PROCESSES = 3


class Act(NamedTuple):
    """One call of an agent."""

    process: int
    operation: str
    tenant: str
    session: str
    record: str
    pause: float


class Event(NamedTuple):
    """Something that happens to the world."""

    when: float
    what: str
    at: int
    session: str
    region: str


class Plan(NamedTuple):
    """A run.

    Attributes:
        seed: Of the delays and the faults.
        fault_rate: How often a request is lost, and how often an answer.
        acts: The calls.
        events: What happens meanwhile.
    """

    seed: int
    fault_rate: float
    acts: list[Act]
    events: list[Event]


OPERATIONS = (
    "session.set", "session.get", "session.update", "message.set", "message.set", "message.get", "message.update",
    "message.listBySession", "part.set", "part.get", "part.listBySession", "sandbox.set", "sandbox.get",
    "sandbox.update", "setup.set", "setup.get",
)  # fmt: skip
EVENTS = (
    "move",
    "move",
    "move",
    "move",
    "crash mover",
    "crash",
    "unplug",
    "freeze",
    "policy",
    "rogue",
    "move",
    "crash mover",
)

_acts = st.builds(
    Act,
    st.integers(0, PROCESSES - 1),
    st.sampled_from(OPERATIONS),
    st.sampled_from([TENANTS[0], *TENANTS]),
    st.sampled_from(SESSIONS),
    st.sampled_from(RECORDS),
    st.sampled_from([0.0, 0.0, 0.05, 0.3, 2.0]),
)
_events = st.builds(
    Event,
    st.floats(0, 12, width=16),
    st.sampled_from(EVENTS),
    st.integers(0, PROCESSES - 1),
    st.sampled_from(SESSIONS),
    st.sampled_from([EU, US]),
)
plans = st.builds(
    Plan,
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.0, 0.02, 0.05]),
    st.lists(_acts, min_size=8, max_size=60),
    st.lists(_events, max_size=10),
)
