"""Weakenings of what decides, remembers and enforces."""

from __future__ import annotations

from storescope.middleware._region import _engine, _guard
from storescope.middleware._region._enforcer import Enforcer
from storescope.middleware._region._memory import Clock, Memory
from tests.region.simulation.weaken import Weakening

_EXCEPTION = "if question.operation in exception.operations and now < exception.expires:"
_CALL_REGION = "if question.call_region is not None and question.call_region not in access:"
_KEY = '(operation if policy.exceptions else "", context.tenant, context.region)'
_LATEST = "max(self._latest, time.time(), elapsed)"

FACTS = (
    Weakening(
        "A call without a tenant is allowed.",
        _engine,
        "_judge",
        'return "tenant_missing", "with a tenant in the call\'s context"',
        'return "allowed", ""',
    ),
    Weakening(
        "A tenant that the policy does not list is allowed.",
        _engine,
        "_judge",
        'return "tenant_unlisted", "with a rule for the tenant in [tenants]"',
        'return "allowed", ""',
    ),
    Weakening(
        'The rule of `"*"` shadows that of a listed tenant.',
        _engine,
        "_rule_for",
        'policy.tenants.get(tenant) or policy.tenants.get("*")',
        'policy.tenants.get("*") or policy.tenants.get(tenant)',
    ),
    Weakening(
        "A backend that is in no known region is allowed.",
        _engine,
        "_judge_backend",
        "if backend.region is None:",
        "if backend.region is None:\n        return None\n    if False:",
    ),
    Weakening(
        "A backend in a forbidden region is allowed.",
        _engine,
        "_judge_backend",
        "if backend.region not in store:",
        "if False:",
    ),
    Weakening(
        "A backend of whose region the sources disagree is allowed.",
        _engine,
        "_judge_backend",
        "if backend.region_confidence == CONFLICT:",
        "if backend.region_confidence == CONFLICT:\n        return None\n    if False:",
    ),
    Weakening(
        "A region that is attested hides that the backend declares another.",
        _guard,
        "_attested",
        "if backend.region not in {None, region}:",
        "if False:",
    ),
    Weakening(
        "A word for the confidence that nobody knows is enough.",
        _engine,
        "_judge_backend",
        "if not known or ",
        "if known and ",
    ),
    Weakening(
        "`min_confidence` is ignored.",
        _engine,
        "_judge_backend",
        "if not known or CONFIDENCES.index(backend.region_confidence) < CONFIDENCES.index(policy.min_confidence):",
        "if not known:",
    ),
    Weakening(
        "A caller of whom nobody knows where it is is allowed.",
        _engine,
        "_judge_caller",
        'return "caller_region_unknown", f"from {_listed(access)}"',
        "return None",
    ),
    Weakening(
        "The guard's own region is ignored.",
        _engine,
        "_judge_caller",
        "if question.caller_region is not None and question.caller_region not in access:",
        "if False:",
    ),
    Weakening("The call's region is ignored.", _engine, "_judge_caller", _CALL_REGION, "if False:"),
    Weakening(
        "The call's region is ignored where the guard knows its own.",
        _engine,
        "_judge_caller",
        _CALL_REGION,
        _CALL_REGION.replace("if ", "if question.caller_region is None and "),
    ),
)

TIME = (
    Weakening(
        "An exception holds for every operation.", _engine, "decide", _EXCEPTION, "if now < exception.expires:"
    ),
    Weakening(
        "An exception holds for every rule.",
        _engine,
        "decide",
        "for exception in rule.exceptions if rule else ():",
        "for exception in policy.exceptions:",
    ),
    Weakening(
        "An exception never ends.",
        _engine,
        "decide",
        _EXCEPTION,
        _EXCEPTION.replace(" and now < exception.expires", ""),
    ),
    Weakening(
        "What an exception allowed is remembered past its end.",
        Memory,
        "_is_past",
        "return self._clock.now() >= expires",
        "return False",
    ),
    Weakening("The clock follows a wall clock that is set back.", Clock, "now", _LATEST, "time.time()"),
    Weakening(
        "The clock stands still while a wall clock that was set back catches up.",
        Clock,
        "now",
        _LATEST,
        "max(self._latest, time.time())",
    ),
    Weakening(
        "The clock forgets the latest time that it was told.", Clock, "now", _LATEST, "max(time.time(), elapsed)"
    ),
    Weakening(
        "Monitoring never ends.",
        _engine,
        "_unless_monitored",
        "if until is None or now >= until:",
        "if until is None:",
    ),
    Weakening(
        "What is only monitored is told as allowed.",
        _engine,
        "_unless_monitored",
        'effect="would_deny"',
        'effect="allow"',
    ),
    Weakening(
        "A rule is monitored if the whole policy is, whatever it says itself.",
        _engine,
        "decide",
        "_unless_monitored(rule or policy, plain, now)",
        "_unless_monitored(policy, plain, now)",
    ),
)

ENFORCEMENT = (
    Weakening(
        "A denial is told, and the call goes on.", Enforcer, "admit", "if not decision.allowed:", "if False:"
    ),
    Weakening(
        "A decision is not made anew at its enforcement.",
        Enforcer,
        "admit",
        "if not self._memory.still_holds(decision):",
        "if False:",
    ),
    Weakening(
        "At its enforcement a decision holds though its exception has ended.",
        Memory,
        "still_holds",
        "decision.expires is None or not self._is_past(decision.expires)",
        "True",
    ),
    Weakening(
        "At its enforcement a decision holds though its policy is gone.",
        Memory,
        "still_holds",
        "decision.policy == self._source.current.digest",
        "True",
    ),
    Weakening(
        "Decisions are remembered past a reload of the policy.",
        Memory,
        "_current",
        "if seen.policy is not policy:",
        "if False:",
    ),
    Weakening(
        "Decisions are remembered for every tenant.", Memory, "ask", _KEY, '(operation, "", context.region)'
    ),
    Weakening(
        "Decisions are remembered for every region.", Memory, "ask", _KEY, '(operation, context.tenant, "")'
    ),
    Weakening(
        "Decisions are remembered for every operation.",
        Memory,
        "ask",
        _KEY,
        '("", context.tenant, context.region)',
    ),
    Weakening(
        "A caller's own `$residency` is taken.",
        _guard,
        "refusing_labels",
        "if FIELD in call.params[name]:",
        "if False:",
    ),
)

DECISIONS = (*FACTS, *TIME, *ENFORCEMENT)
