"""What the region guard decided, and from which facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from storescope.middleware._region._reader import one_line


class Fact(NamedTuple):
    """One thing that a decision rests on.

    Attributes:
        value: What is known; None if nobody said.
        source: Who said so: `call`, `guard`, `backend` or `policy`.
        confidence: How well it is known: `declared`, `probed` or `attested`; `conflict` if the sources differ.
    """

    value: str | None
    source: str
    confidence: str = "declared"


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One answer of the region guard. The guard remembers its answers, and other layers key on them by identity.

    Attributes:
        allowed: Whether the call may go on.
        effect: `allow`, `deny`, `would_deny` (let through because the policy only monitors), `exception`
            (let through by an exception of the policy) or `filtered` (rows were left out of a list).
        code: The stable word for the reason, `caller_region_forbidden`.
        rule: The rule that decided; None if no rule was found.
        policy: The policy's digest.
        facts: Name -> `Fact`: tenant, caller_region, call_region, backend_region, labels (`required` or `off`)
            and, where they apply, exception, and pin (`last known`, while the registry does not answer).
        would_allow_if: What would have to be different, in words; empty for a plain `allow`.
        expires: When the decision ends by itself, in seconds since 1970; None if it does not.
    """

    allowed: bool
    effect: str
    code: str
    rule: str | None
    policy: str
    facts: dict[str, Fact]
    would_allow_if: str = ""
    expires: float | None = None

    @property
    def backend_region(self) -> str | None:
        """The region of the backend that was decided about."""
        return self.facts["backend_region"].value

    @property
    def caller_region(self) -> str | None:
        """Where the call comes from: as it says itself, else where the guard runs."""
        return self.facts["call_region"].value or self.facts["caller_region"].value

    @property
    def exception(self) -> str | None:
        """The id of the policy's exception that let the call through."""
        fact = self.facts.get("exception") if self.allowed else None  # its label may deny the record all the same
        return fact.value if fact else None

    @property
    def is_objection(self) -> bool:
        """Whether it was made because of a record's label or of a pin."""
        return self.code in OBJECTIONS

    def explain(self) -> str:
        """Return one line: what was decided, by which rule, why, what would be allowed. It names no tenant."""
        by = f" by rule {self.rule!r}" if self.rule else ""
        reason = REASONS[self.code].format(
            **{name: fact.value or "unknown" for name, fact in self.facts.items() if name != "tenant"},
            confidence=self.facts["backend_region"].confidence,
        )
        verdict = _VERDICTS[self.effect].format(exception=self.exception)
        line = f"{verdict}{by}: {reason}"
        if self.would_allow_if:
            line += f"; it would be allowed {self.would_allow_if}"
        return one_line(f"{line} (policy {self.policy[:12]})")


_VERDICTS = {
    "allow": "allowed",
    "deny": "denied",
    "would_deny": "let through, would be denied",
    "exception": "let through by exception {exception!r}, else denied",
    "filtered": "let through without some rows, which are denied",
}
REASONS = {
    "allowed": "every fact is known and allowed",
    "tenant_missing": "the call names no tenant",
    "tenant_unlisted": "the policy lists no rule for this tenant",
    "backend_region_unknown": "nobody said where the backend keeps its data",
    "backend_region_forbidden": "data may not rest in the backend's region {backend_region}",
    "backend_region_conflict": "what is said of the backend's region does not agree",
    "backend_confidence_low": "the backend's region {backend_region} is only {confidence}",
    "caller_region_unknown": "nobody said where the call comes from",
    "caller_region_forbidden": "data may not be touched from the guard's region {caller_region}",
    "call_region_forbidden": "data may not be touched from the call's region {call_region}",
    "label_missing": "the record has no residency label",
    "label_malformed": "the record's residency label cannot be read",
    "label_tenant_mismatch": "the record's residency label names another tenant",
    "label_region_mismatch": "the record's residency label names another region than the backend's",
    "label_session_mismatch": "the record's residency label names another session",
    "label_forged": "the MAC of the record's residency label is wrong",
    "tenant_mismatch": "what the call is about is pinned to another tenant",
    "pin_region_mismatch": "what the call is about is pinned to a region of which no backend is here",
    "session_region_mismatch": "the record lies in another region than the session that it would go to",
    "session_split": "records of the session lie in two regions, or under two tenants",
    "pins_unreachable": "the pin registry does not answer",
    "pins_lost": "the pin registry was emptied or replaced",
    "pin_last_known": "every fact is allowed; the pin registry does not answer, and the pin is the last one known",
}
"""Every code that a decision can have, and its reason in words."""

BY_LAST_PIN = "pin_last_known"
PIN_CODES = frozenset(
    {
        *("tenant_mismatch", "pin_region_mismatch", "session_region_mismatch", "session_split"),
        *("pins_unreachable", "pins_lost", BY_LAST_PIN),
    }
)
"""The codes that come from the pin registry."""

OBJECTIONS = (PIN_CODES - {BY_LAST_PIN}) | {code for code in REASONS if code.startswith("label_")}
