"""What is simulated: processes with a guard each, the calls that agents make through them, and their contacts."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storescope import BackendInfo, Call, Handlers, Operation
    from storescope.middleware import Decision
    from tests.region.simulation.clock import Reader
    from tests.region.simulation.storage import Storage

FIELD = "$residency"
IN_SESSION = ("message", "part")
NOT_READ: Any = object()


@dataclass(eq=False)
class Process:
    """One process: a guard in front of a store that others use too.

    Attributes:
        name: As the trace calls it.
        storage: The store.
        info: What the guard is told of the store.
        region: Where the store is, as far as the guard can know.
        confidence: How well that is known.
        caller_region: Where the process runs, as the guard was told.
        labels: Whether records are labelled.
        keys: The keys of the labels' MACs; the first one signs.
        filters: Whether rows with a wrong label are left out of lists.
        reader: What its guard has seen of the clock.
        looked_at: Tenant and session, for each session that a write found there with the right label.
        handlers: The guarded map.
    """

    name: str
    storage: Storage
    info: BackendInfo
    region: str | None
    confidence: str
    caller_region: str | None
    labels: bool
    keys: tuple[bytes, ...]
    filters: bool
    reader: Reader
    looked_at: set[tuple[str | None, str]] = field(default_factory=set)
    handlers: Handlers = field(default_factory=dict)


@dataclass(eq=False)
class Contact:
    """One time that a handler of the store was called.

    Attributes:
        operation: What was called.
        params: With what.
        told: What observers were told then.
        reading: What it read or wrote, as it was then; `NOT_READ` until it did.
    """

    operation: str
    params: dict[str, Any]
    told: Decision
    reading: Any = NOT_READ


@dataclass(eq=False)
class Attempt:
    """One call of an agent, and what the world saw of it.

    Attributes:
        number: Its place in the run.
        process: The process it is made in.
        operation: Which of the fifteen.
        params: The caller's own arguments, which it may change while it waits.
        tenant: For whom.
        region: From where, as the caller says.
        invalid: Whether the contract or the guard must refuse its arguments.
        states: What the caller's own record has been since the call was opened.
        contacts: What reached the store.
        wrong: Whether a label was read that is not the caller's.
        call: The `Call` that the middleware shares, once it is opened.
        cancelled: Whether the caller gave up.
    """

    number: int
    process: Process
    operation: Operation
    params: dict[str, Any]
    tenant: str | None
    region: str | None
    invalid: bool = False
    states: list[Any] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    wrong: bool = False
    call: Call | None = None
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.keep_state()

    def __str__(self) -> str:
        return f"#{self.number} {self.operation.name} {self.params.get('id') or self.params.get('session_id')!r}"

    @property
    def record(self) -> Any:
        """The caller's own record, `value` or `updates`; None for a read."""
        return self.params.get("value", self.params.get("updates"))

    @property
    def session(self) -> str | None:
        """The session that the call names."""
        named: str | None = (self.record or self.params).get("sessionId") or self.params.get("session_id")
        return named

    @property
    def main(self) -> Contact | None:
        """The contact that the call itself asks for; the others are looks of the guard."""
        return next((contact for contact in self.contacts if contact.operation == self.operation.name), None)

    @property
    def stage(self) -> str:
        """Where the call stands: between its opening and its enforcement, or before or after a handler applied."""
        if not self.contacts:
            return "enforcement"
        last = self.contacts[-1]
        whose = "its own contact" if last.operation == self.operation.name else "a look"
        return f"{whose}, {'before' if last.reading is NOT_READ else 'after'}"

    def keep_state(self) -> None:
        """Remember what the caller's own record is now."""
        self.states.append(deepcopy(self.record))
