"""Errors as `application/problem+json` (RFC 9457) and back, class and attributes, without any record's content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope import (
    AuditError,
    BackendError,
    InvalidRecordError,
    PolicyError,
    RecordNotFoundError,
    RecordTooLargeError,
    ResidencyError,
    StorageError,
    StorageTimeoutError,
    TenantRequiredError,
    UnsupportedOperationError,
)
from storescope.errors import rebuild

if TYPE_CHECKING:
    from collections.abc import Mapping

URN = "urn:storescope:error:"
"""What every `type` begins with; the rest is stable, one word for each class."""

RETRY_AFTER_SECONDS = 1
_LONGEST_TOLD = 500


class Kind(NamedTuple):
    """How a class of errors travels.

    Attributes:
        word: The last part of its `type`.
        status: The HTTP status.
        title: What it is, in words that never change.
        attributes: Attribute -> member and JSON type, of those that travel.
    """

    word: str
    status: int
    title: str
    attributes: Mapping[str, tuple[str, type]] = {}


KINDS: Mapping[type[StorageError], Kind] = {
    InvalidRecordError: Kind("invalid-record", 422, "an argument that the contract refuses"),
    RecordNotFoundError: Kind("record-not-found", 404, "no such record", {"entity": ("entity", str)}),
    RecordTooLargeError: Kind("record-too-large", 413, "the record is too large"),
    UnsupportedOperationError: Kind("unsupported-operation", 501, "no such operation"),
    TenantRequiredError: Kind("tenant-required", 403, "the call names no tenant"),
    ResidencyError: Kind("residency", 403, "the region guard denied the call"),
    PolicyError: Kind("policy", 500, "the residency policy cannot be used", {"key": ("key", str)}),
    AuditError: Kind("audit", 503, "the audit log cannot be written"),
    StorageTimeoutError: Kind("timeout", 503, "the call took too long", {"seconds": ("seconds", float)}),
    BackendError: Kind("backend", 500, "the store failed", {"driver_error": ("driverError", str)}),
}
"""Every error that a call may end in."""

_CLASSES = {URN + kind.word: cls for cls, kind in KINDS.items()}
_FATES = {"retryable": "retryable", "maybe_applied": "maybeApplied"}
_DECISION = ("allowed", "effect", "code", "rule", "policy")


@dataclass(frozen=True, slots=True)
class RemoteDecision:
    """A residency decision that a guard elsewhere made; it has what `Decision` has, facts as plain tuples."""

    allowed: bool
    effect: str
    code: str
    rule: str | None
    policy: str
    exception: str | None = None
    caller_region: str | None = None
    backend_region: str | None = None
    would_allow_if: str = ""


def status_of(error: StorageError) -> int:
    """Return the HTTP status of an error: 503 for what may go well later."""
    return 503 if error.retryable else _kind_of(error).status


def problem_of(error: StorageError) -> dict[str, Any]:
    """Return an error as a problem."""
    kind = _kind_of(error)
    problem: dict[str, Any] = {
        "type": URN + kind.word,
        "title": kind.title,
        "status": status_of(error),
        "detail": str(error),
        **{member: getattr(error, name) for name, member in _FATES.items()},
    }
    for name, (member, _) in kind.attributes.items():
        value = getattr(error, name, None)
        if value is not None:
            problem[member] = value
    if isinstance(error, ResidencyError):
        problem["decision"] = _told(error)
    return problem


def error_of(problem: Any, status: int, *, params: Mapping[str, Any], writes: bool) -> StorageError:
    """Return the error that a problem stands for.

    Args:
        problem: What came back, whatever it is.
        status: The answer's HTTP status.
        params: The call's parameters; the id of a missing record is known from here alone.
        writes: Whether the call writes, so that an unknown failure may have been applied.
    """
    known: dict[str, Any] = problem if isinstance(problem, dict) else {}
    cls = _CLASSES.get(str(known.get("type")))
    if cls is None:
        return _stranger(known, status, writes=writes)
    state: dict[str, Any] = {
        name: known[member] for name, member in _FATES.items() if isinstance(known.get(member), bool)
    }
    for name, (member, kind) in KINDS[cls].attributes.items():
        value = known.get(member)
        state[name] = value if isinstance(value, (int, float) if kind is float else kind) else None
    if cls is RecordNotFoundError:
        state["id"] = params.get("id")
    if cls is ResidencyError:
        state["decision"] = _heard(known.get("decision"))
    return rebuild(cls, (_one_line(known.get("detail")) or KINDS[cls].title,), state)


def _stranger(known: Mapping[str, Any], status: int, *, writes: bool) -> BackendError:
    """Return the error for an answer of no class of ours: the bridge's own refusals, a proxy's page."""
    kind = known.get("type")
    word = kind.removeprefix(URN) if isinstance(kind, str) and kind.startswith(URN) else ""
    detail = (word and _one_line(known.get("detail"))) or f"HTTP status {status}"
    refused = known.get("maybeApplied") is False or (status < 500 and status != 408)  # noqa: PLR2004 (HTTP's own)
    return BackendError(
        f"storescope: the server refused or failed: {detail}",
        driver_error=f"http:{word or status}"[:80],
        retryable=status in {408, 429, 502, 503, 504},
        maybe_applied=writes and not refused,
    )


def _kind_of(error: StorageError) -> Kind:
    return next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)


def _told(error: ResidencyError) -> dict[str, Any]:
    decision = error.decision
    told = {name: getattr(decision, name) for name in _DECISION}
    told["callerRegion"], told["backendRegion"] = decision.caller_region, decision.backend_region
    told["wouldAllowIf"] = getattr(decision, "would_allow_if", "")
    return told


def _heard(told: Any) -> RemoteDecision:
    """Read a decision; what is missing or odd is unknown, and it never allows."""
    known: dict[str, Any] = told if isinstance(told, dict) else {}

    def text(name: str) -> str | None:
        return _one_line(known.get(name)) or None

    return RemoteDecision(
        allowed=False,
        effect="deny",
        code=text("code") or "unknown",
        rule=text("rule"),
        policy=text("policy") or "",
        caller_region=text("callerRegion"),
        backend_region=text("backendRegion"),
        would_allow_if=text("wouldAllowIf") or "",
    )


def _one_line(text: Any) -> str:
    """Return a text from elsewhere as one printable line that does not flood a log."""
    if not isinstance(text, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST_TOLD])
