"""The region guard: decides when a call is opened, enforces at its own place in the stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from storescope.call import UNKNOWN_BACKEND
from storescope.contract import OPERATIONS
from storescope.errors import InvalidRecordError, PolicyError, WrapError
from storescope.middleware._region._enforcer import Enforcer
from storescope.middleware._region._engine import CONFLICT
from storescope.middleware._region._file import PolicyFile
from storescope.middleware._region._health import Health
from storescope.middleware._region._labelled import LabelledMap
from storescope.middleware._region._labels import FIELD, SHORTEST_KEY, Labels
from storescope.middleware._region._members import Member, Members
from storescope.middleware._region._memory import Memory
from storescope.middleware._region._pinned import PinnedMap
from storescope.middleware._region._policy import ResidencyPolicy
from storescope.middleware._region._step_log import check_step_log
from storescope.middleware._region._telemetry import OBSERVERS, check_telemetry
from storescope.step_log import current_step_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from storescope.call import BackendInfo, Call, Middleware, Step
    from storescope.contract import Operation
    from storescope.middleware._region._memory import PolicySource
    from storescope.middleware._region._pins._registry import PinRegistry
    from storescope.step_log import StepLog

Attest: TypeAlias = "Callable[[BackendInfo], str | None]"


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """What `region_guard` was told beside the policy; it has the meanings."""

    caller_region: str | None = None
    labels: Literal["auto", "required", "off"] = "auto"
    label_keys: Sequence[bytes] = ()
    mixed_lists: Literal["raise", "filter"] = "raise"
    attest: Attest | None = None
    pins: PinRegistry | None = None


class RegionGuard:
    """The layer that `region_guard` makes.

    Attributes:
        source: Where the policy in force is found.
    """

    layer = "region_guard"
    inside = OBSERVERS  # outside of them, its denials would be hidden

    def __init__(self, source: PolicySource, options: GuardOptions) -> None:
        self.source = source
        self._options = options
        self._labels = Labels(options.label_keys, name_ids=options.pins is not None)
        self._enforcers: dict[BackendInfo, tuple[Memory, Enforcer]] = {}
        self._pinned: dict[BackendInfo, PinnedMap] = {}
        self._stacks: list[tuple[BackendInfo, tuple[Middleware, ...]]] = []
        self._logs: dict[tuple[BackendInfo, StepLog], ResidencyPolicy] = {}
        if isinstance(source, PolicyFile):
            source.subscribe(self.check)

    @property
    def policy(self) -> ResidencyPolicy:
        """The policy in force."""
        return self.source.current

    def on_wrap(self, info: BackendInfo, layers: tuple[Middleware, ...]) -> None:
        """Refuse a stack that the guard cannot answer for."""
        if info is UNKNOWN_BACKEND:
            raise PolicyError(
                "region_guard: nothing is known of the backend; pass wrap(..., backend=BackendInfo(system=..., "
                "region=...))"
            )
        stack = (info, layers)
        if stack in self._stacks:
            return
        self._stacks.append(stack)  # first: a policy that comes into force meanwhile is checked against it too
        try:
            self._check_stack(self.policy, info, layers)
        except PolicyError:
            self._stacks.remove(stack)
            raise

    def check(self, policy: ResidencyPolicy) -> None:
        """Refuse a policy that would forbid what the stacks around this guard do already.

        Raises:
            PolicyError: If their telemetry goes where a rule of it forbids.
        """
        for info, layers in self._stacks:
            self._check_stack(policy, info, layers)
        for info, log in self._logs:
            check_step_log(policy, self._of(info)[0].backend, log)

    def check_log(self, info: BackendInfo, log: StepLog) -> None:
        """Refuse a workflow engine's log that a rule forbids; what was allowed is remembered.

        Raises:
            PolicyError: If records would rest, or telemetry go, where a rule of the policy forbids.
        """
        policy = self.policy
        if self._logs.get((info, log)) is not policy:
            check_step_log(policy, self._of(info)[0].backend, log)
            self._logs[info, log] = policy

    def _check_stack(self, policy: ResidencyPolicy, info: BackendInfo, layers: tuple[Any, ...]) -> None:
        pins = self._options.pins
        check_telemetry(policy, self._of(info)[0].backend, layers if pins is None else (*layers, pins))

    def on_open(self, operation: Operation, backend: BackendInfo) -> Callable[[Call], None]:
        """Return what decides about each call, before any layer sees it."""
        pinned = self._pinned.get(backend)
        opener = self._of(backend)[0].opener(operation.name) if pinned is None else pinned.opener(operation)

        def decide(call: Call) -> None:
            opener(call)
            # Only a step's own call goes to the log, and it brings its id; those that its handler makes do not.
            log = None if call.context.call_id is None else current_step_log()
            if log is not None:
                self.check_log(backend, log)

        return refusing_labels(operation, decide)

    def bind(self, steps: Mapping[str, Step], backend: BackendInfo) -> Middleware:
        """Return what makes the guard's steps around one map."""
        pins = self._options.pins
        if pins is None:
            return self._around(steps, backend)
        members = Members(self.source, {backend.region or "": self.member(steps, backend)}, route=False)
        self._pinned[backend] = PinnedMap(pins, members)
        return self._pinned[backend]

    def member(self, steps: Mapping[str, Step], backend: BackendInfo) -> Member:
        """Return a backend behind this guard, for a map that follows pins."""
        around = self._around(steps, backend)
        guarded = {name: around(step, OPERATIONS[name], backend) for name, step in steps.items()}
        labelled = isinstance(around, LabelledMap)
        return Member(backend, *self._of(backend), steps, guarded, Health(), labelled)

    def _around(self, steps: Mapping[str, Step], backend: BackendInfo) -> LabelledMap | Enforcer:
        """Return what makes the steps around one backend's own."""
        enforcer = self._of(backend)[1]
        if not self._labels_records(backend):
            return enforcer
        return LabelledMap(enforcer, self._labels, steps, filter_lists=self._options.mixed_lists == "filter")

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that enforces decisions and looks at no record."""
        return self._of(backend)[1](next_step, operation, backend)

    def _labels_records(self, backend: BackendInfo) -> bool:
        if self._options.labels == "auto":
            return backend.keeps_labels
        return self._options.labels == "required"

    def _of(self, backend: BackendInfo) -> tuple[Memory, Enforcer]:
        """Return what decides and enforces for a backend; made once, since decisions are compared by identity."""
        known = self._enforcers.get(backend)
        if known is None:
            labels = "required" if self._labels_records(backend) else "off"
            seen = _attested(backend, self._options.attest)
            memory = Memory(self.source, seen, self._options.caller_region, labels)
            known = self._enforcers[backend] = memory, Enforcer(memory)
        return known


def refusing_labels(operation: Operation, decide: Callable[[Call], None]) -> Callable[[Call], None]:
    """Return what decides, and refuses a caller's own label."""
    name = {"set": "value", "update": "updates"}.get(operation.verb)
    if name is None:
        return decide

    def open_call(call: Call) -> None:
        decide(call)
        if FIELD in call.params[name]:
            raise InvalidRecordError(f"{operation.name}: the field {FIELD!r} is reserved")

    return open_call


@dataclass(frozen=True, slots=True)
class FixedPolicy:
    """A policy that stays as it is."""

    current: ResidencyPolicy


def region_guard(  # noqa: PLR0913 (each has a default, and is given by name)
    policy: ResidencyPolicy | PolicySource,
    *,
    caller_region: str | None = None,
    pins: PinRegistry | None = None,
    labels: Literal["auto", "required", "off"] = "auto",
    label_keys: Sequence[bytes] = (),
    mixed_lists: Literal["raise", "filter"] = "raise",
    attest: Attest | None = None,
) -> RegionGuard:
    """Let through only the calls that a residency policy allows.

    A denial raises `ResidencyError` before the backend is contacted. What is unknown is denied: a call without a
    tenant, a tenant without a rule, a backend without a region, a caller of whom neither the guard nor the call's
    context says where it is.

    With labels, each record carries whose it is and where it belongs in the reserved field `$residency`. It is
    added on every write and taken off on every read; a record without the right one is denied.

    Args:
        policy: What is allowed, from `ResidencyPolicy.load`; or a `PolicyFile`, which follows its file.
        caller_region: Where this process runs, `aws:eu-west-1`. If the call's context names a region too, both
            must be allowed.
        pins: Binds each session, sandbox and setup to the region and the tenant of its first write, for all
            processes that share the registry. Without it the policy is held against the one backend alone.
        labels: `required`, `off`, or `auto`: required where records come back whole (`BackendInfo.keeps_labels`,
            which shipped backends have), else off, since a user's columns might not keep the field.
        label_keys: Keys, of 16 bytes or more, for a MAC in each label, so that nobody who can write to the store
            but has no key can make or move a label. The first one signs, all of them verify.
        mixed_lists: What happens to a list of which a row has a wrong label: `raise`, or `filter` the row out; the
            decision is then `filtered`, which metrics, span and audit log show.
        attest: Asked once for each backend where its data rests: a function of the `BackendInfo` that returns a
            region, or None if it does not know. Its answer is `attested`; one that differs from what the backend
            itself says is a conflict, which is denied.

    Returns:
        A middleware; `wrap` refuses it outside of tracing, metrics and audit, and in front of a map whose backend
        it was not told.

    Raises:
        WrapError: If an option is not one of its words, or a key is too short.
    """
    if labels not in {"auto", "required", "off"}:
        raise WrapError(f"region_guard: labels must be auto, required or off, not {labels!r}")
    if mixed_lists not in {"raise", "filter"}:
        raise WrapError(f"region_guard: mixed_lists must be raise or filter, not {mixed_lists!r}")
    if any(not isinstance(key, bytes) or len(key) < SHORTEST_KEY for key in label_keys):
        raise WrapError(f"region_guard: label_keys must be bytes, each {SHORTEST_KEY} or longer")
    source: PolicySource = FixedPolicy(policy) if isinstance(policy, ResidencyPolicy) else policy
    return RegionGuard(source, GuardOptions(caller_region, labels, tuple(label_keys), mixed_lists, attest, pins))


def _attested(backend: BackendInfo, attest: Attest | None) -> BackendInfo:
    """Return the backend as it is known once the user's own function was asked."""
    if attest is None or backend is UNKNOWN_BACKEND:
        return backend
    try:
        region = attest(backend)
    except Exception as error:
        raise PolicyError(
            f"region_guard: attest raised {type(error).__name__} for backend {backend.label!r}"
        ) from error
    if region is None or backend.region_confidence == CONFLICT:
        return backend
    if backend.region not in {None, region}:
        return replace(backend, region_confidence=CONFLICT)
    return replace(backend, region=region, region_confidence="attested")
