"""The *Residency and audit* dashboard: who was let in and why, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.dashboards._audit import audit_log, completeness, failures, seal_age
from storescope.dashboards._board import Board, Row
from storescope.dashboards._measures import DENIED_STEPS, decided
from storescope.dashboards._panels import Column, Spec, bars, dial, instant, lines, number, query, rows
from storescope.dashboards._queries import INTERVAL, Vector, increase, scaled, series, smallest, top, total, whole
from storescope.middleware._definitions import EXCEPTION_EXPIRY, FLOWS, OPERATIONS, POLICY_INFO, RELOAD_FAILURES

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives

_DAY = 86_400
_END_STEPS = ((_DAY, "orange"), (7 * _DAY, "green"))
_SEAL_STEPS = ((180, "orange"), (300, "red"))  # a log seals once a minute, unless told otherwise
_WHOLE_STEPS = ((0.99, "orange"), (0.999, "green"))
_ANY_STEPS = ((1, "red"),)


def board(objectives: Objectives) -> Board:
    """Build it."""
    return Board(
        uid="storescope-residency-and-audit",
        title="Residency and audit",
        description="What the region guard decided and why, the policy in force, and the state of the audit "
        "log. Backend and operation narrow only the calls without an audit record.",
        rows=(overview(), decisions(), policy(), audit_log()),
        metric=OPERATIONS,
        objectives=objectives,
    )


def overview() -> Row:
    """Is anything refused, let through, or unrecorded?"""
    return Row(
        100,
        "Overview",
        (
            number(
                Spec(
                    id=101,
                    title="Denials",
                    shows="Calls per second that the region guard refused. Nothing of theirs reached a store.",
                    when_wrong="*Denials by rule and code* says why. After a policy change, compare the two "
                    "policies with `storescope residency diff`.",
                    unit="ops",
                    width=4,
                    height=5,
                    steps=DENIED_STEPS,
                ),
                query(decided("deny"), "denied"),
            ),
            number(
                Spec(
                    id=102,
                    title="Would-be denials",
                    shows="Calls per second that a rule in monitor mode let through and would have refused.",
                    when_wrong="Each is a call that fails on the day the rule is enforced. Look at *Would-be "
                    "denials by rule and code*, and mend callers or rule before.",
                    unit="ops",
                    width=4,
                    height=5,
                    steps=((0.001, "orange"),),
                ),
                query(decided("would_deny"), "would be denied"),
            ),
            number(
                Spec(
                    id=103,
                    title="Let through by exception",
                    shows="Calls per second that only an exception of the policy allowed.",
                    when_wrong="An exception used more than its reason explains: ask its two approvers, and "
                    "look at the calls with `storescope audit show`.",
                    unit="ops",
                    width=4,
                    height=5,
                ),
                query(decided("exception"), "by exception"),
            ),
            dial(
                Spec(
                    id=104,
                    title="Calls with an audit record",
                    shows="The share of the calls in the time range whose end the audit log took.",
                    when_wrong="Below 100 % the log failed: *Audit failures* names the reason. What was lost is "
                    "counted in its `gap` records.",
                    unit="percentunit",
                    width=4,
                    height=5,
                    steps=_WHOLE_STEPS,
                    falling=True,
                ),
                instant(completeness(), "recorded"),
            ),
            number(
                Spec(
                    id=105,
                    title="Audit failures",
                    shows="Audit records that could not be written in the time range.",
                    when_wrong="*Audit failures by reason* says what to mend. Writes are refused meanwhile, "
                    "unless `on_failure` says otherwise.",
                    unit="short",
                    width=4,
                    height=5,
                    steps=_ANY_STEPS,
                ),
                instant(whole(total(failures())), "failures"),
            ),
            number(
                Spec(
                    id=106,
                    title="Age of the last seal",
                    shows="How long the oldest log has gone without a seal. What is not sealed can still be cut "
                    "off.",
                    when_wrong="Older than a few seal intervals: the writer is gone or its disk is. Run "
                    "`storescope audit verify`.",
                    unit="s",
                    width=4,
                    height=5,
                    steps=_SEAL_STEPS,
                    empty="not sealed yet",
                ),
                query(seal_age(), "age"),
            ),
        ),
    )


def decisions() -> Row:
    """What was decided, why, and between which regions?"""
    flows = whole(total(increase(series(FLOWS)), "caller_region", "backend_region", "decision"))
    return Row(
        200,
        "Decisions",
        (
            lines(
                Spec(
                    id=201,
                    title="Decisions",
                    shows="Decisions per second, by what was decided.",
                    when_wrong="No decisions while calls are made: the guard is missing from `wrap`.",
                    unit="ops",
                ),
                query(decided(None, "decision"), "", "decision"),
                stacked=True,
            ),
            lines(
                Spec(
                    id=202,
                    title="Denials by rule and code",
                    shows="Denials per second, by the rule that decided and the reason.",
                    when_wrong="`storescope residency explain` tells what would be allowed. `tenant_unlisted` "
                    "is a tenant that the policy forgot, `backend_region_conflict` a store that is not where it "
                    "says.",
                    unit="ops",
                    steps=DENIED_STEPS,
                ),
                query(decided("deny", "rule", "code"), "", "rule", "code"),
            ),
            lines(
                Spec(
                    id=203,
                    title="Would-be denials by rule and code",
                    shows="Calls per second that a monitored rule would refuse, by rule and reason.",
                    when_wrong="Not at zero for as long as your callers' slowest habit lasts: do not enforce "
                    "the rule yet.",
                    unit="ops",
                ),
                query(decided("would_deny", "rule", "code"), "", "rule", "code"),
            ),
            bars(
                Spec(
                    id=204,
                    title="Flows: caller region → backend region",
                    shows="Decisions in the time range, by where the call came from, where the data rests, and "
                    "what was decided. Denied flows never took place.",
                    when_wrong="A flow across a border that is allowed and that nobody expected: look at its "
                    "rule's `access`. `unknown` is a caller that names no region.",
                    unit="short",
                    width=24,
                ),
                instant(top(15, flows), "{{caller_region}} → {{backend_region}}: {{decision}}"),
            ),
        ),
    )


def policy() -> Row:
    """Which policy is in force, and for how long?"""
    ends = scaled(smallest(series(EXCEPTION_EXPIRY), "exception"), "{} - time()")
    in_force = total(series(POLICY_INFO), "version", "digest")
    return Row(
        300,
        "Policy",
        (
            rows(
                Spec(
                    id=301,
                    title="Policy in force",
                    shows="Version and digest of every policy by which processes decide, and how many do.",
                    when_wrong="Two for longer than a roll-out takes: some processes did not reload. The digest "
                    "is what `storescope residency check` prints of the file.",
                    unit="short",
                    width=24,
                    height=5,
                    empty="no policy",
                ),
                ("version", "digest"),
                [Column("Processes", in_force, "short")],
            ),
            lines(
                Spec(
                    id=302,
                    title="Reload failures",
                    shows="New policies that were refused or could not be read; the one before stays in force.",
                    when_wrong="Run `storescope residency check` on the file: it names the key that is wrong.",
                    unit="short",
                    steps=_ANY_STEPS,
                ),
                query(_reload_failures(), "", "instance"),
            ),
            rows(
                Spec(
                    id=303,
                    title="Exceptions, until they end",
                    shows="How long each exception of the policies in force still holds; orange in its last "
                    "week, red on its last day.",
                    when_wrong="Renew it in the policy, with two approvals, or let it end and tell those who "
                    "use it: their calls will be denied.",
                    unit="s",
                    empty="no exception",
                ),
                ("exception",),
                [Column("Ends in", ends, "s", _END_STEPS, falling=True)],
            ),
            lines(
                Spec(
                    id=304,
                    title="Exceptions in use",
                    shows="Calls per second that only an exception allowed, by the rule that it excepts from.",
                    when_wrong="Unused ones can go. One that carries steady traffic wants a rule of its own.",
                    unit="ops",
                ),
                query(decided("exception", "rule"), "", "rule"),
            ),
        ),
    )


def _reload_failures() -> Vector:
    return whole(total(increase(series(RELOAD_FAILURES), window=INTERVAL), "instance"))
