"""`storescope residency explain`: what a policy says of one call, and why."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from storescope.contract import OPERATIONS

if TYPE_CHECKING:
    from storescope.middleware import Decision


def _instant(_: click.Context, __: click.Parameter, value: str | None) -> float:
    """Return the time that an option names, in seconds since 1970; without one, the time now."""
    from storescope.middleware._region._instants import EXAMPLE, seconds_of

    seconds = time.time() if value is None else seconds_of(value)
    if seconds is None:
        raise click.BadParameter(f"must be a date and time with an offset, {EXAMPLE}")
    return seconds


@click.command()
@click.argument("policy")
@click.option(
    "--operation", required=True, type=click.Choice(list(OPERATIONS)), metavar="O", help="session.get, ..."
)
@click.option("--tenant", metavar="T", help="For whom the call is made.")
@click.option("--backend-region", metavar="R", help="Where the backend keeps its data.")
@click.option("--caller", metavar="R", help="Where the process runs, as region_guard(caller_region=) has it.")
@click.option("--call-region", metavar="R", help="Where the call says that it comes from.")
@click.option(
    "--confidence",
    type=click.Choice(["declared", "probed", "attested"]),
    default="declared",
    show_default=True,
    help="How well the backend's region is known.",
)
@click.option(
    "--at", "now", metavar="TIME", callback=_instant, help="When, 2027-01-31T00:00:00Z; now if left out."
)
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
def explain(policy: str, *, now: float, as_json: bool, **facts: Any) -> int:
    """Explain what a policy decides about one call.

    It says by which rule of the file POLICY, from which facts, and what would be allowed.
    What is left out is unknown, and what is unknown is denied.

    Exit codes: 0 the call goes through, 1 it is denied, 2 usage, or the policy is wrong.

    \b
    Example:
      storescope residency explain policy.toml --tenant acme --operation session.get \\
        --backend-region aws:eu-west-1 --caller aws:us-east-1
    """
    from storescope.middleware import ResidencyPolicy

    decision = _decide(ResidencyPolicy.load(policy), now, facts)
    if as_json:
        click.echo(json.dumps(_report(decision, now, facts["operation"]), indent=2))
    else:
        _show(decision, now, facts["operation"])
    return 0 if decision.allowed else 1


def _decide(policy: Any, now: float, facts: dict[str, Any]) -> Decision:
    from storescope.call import BackendInfo
    from storescope.middleware._region._engine import Question, decide

    backend = BackendInfo("unknown", region=facts["backend_region"], region_confidence=facts["confidence"])
    question = Question(facts["operation"], facts["tenant"], facts["caller"], facts["call_region"], backend)
    return decide(policy, question, now)


def _report(decision: Decision, now: float, operation: str) -> dict[str, Any]:
    from storescope.middleware._region._instants import text_of

    return {
        "allowed": decision.allowed,
        "effect": decision.effect,
        "code": decision.code,
        "rule": decision.rule,
        "would_allow_if": decision.would_allow_if,
        "expires": None if decision.expires is None else text_of(decision.expires),
        "text": decision.explain(),
        "operation": operation,
        "at": text_of(now),
        "policy": decision.policy,
        "facts": {name: fact._asdict() for name, fact in _facts(decision).items()},
    }


def _show(decision: Decision, now: float, operation: str) -> None:
    from storescope.middleware._region._instants import text_of
    from storescope.middleware._region._reader import one_line

    click.echo(decision.explain())
    rows = {"operation": operation, "at": text_of(now)}
    for name, fact in _facts(decision).items():
        said = f"{fact.value} ({fact.source}, {fact.confidence})"
        rows[name] = "unknown" if fact.value is None else one_line(said)
    if decision.expires is not None:
        rows["holds until"] = text_of(decision.expires)
    for name, value in rows.items():
        click.echo(f"  {name:<14}  {value}")


def _facts(decision: Decision) -> dict[str, Any]:
    """Return the facts that were asked about; labels are a matter of the guard, not of the policy."""
    return {name: fact for name, fact in decision.facts.items() if name != "labels"}
