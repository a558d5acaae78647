"""`storescope residency diff`: what a new policy changes, and for whom."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._diff import Change, Difference, TenantsChange


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print every change as JSON.")
def diff(before: str, after: str, *, as_json: bool) -> int:
    """Say what changes when the policy file A is replaced by B.

    For each tenant, every pair of a backend's and a caller's region is decided by both policies; pairs that get
    another answer are printed, and what changes beside: modes, homes, exceptions, telemetry. "*" stands for the
    tenants, "any other" for the regions, that neither file names.

    Exit codes: 0 whatever the call, both decide alike, 1 something changes, 2 usage, or a policy is wrong.

    \b
    Example:
      storescope residency diff policy.toml new-policy.toml
    """
    from storescope.apps._residency_diff_text import lines
    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._diff import diff as compare

    policies = ResidencyPolicy.load(before), ResidencyPolicy.load(after)
    found = compare(*policies, time.time())
    if as_json:
        click.echo(json.dumps(_report(found, (before, after), policies), indent=2))
    else:
        for line in lines(found, *policies):
            click.echo(line)
    return 1 if found else 0


def _report(
    found: Difference, paths: tuple[str, str], policies: tuple[ResidencyPolicy, ResidencyPolicy]
) -> dict[str, Any]:
    about = [
        {"policy": path, "version": policy.version, "digest": policy.digest}
        for path, policy in zip(paths, policies, strict=True)
    ]
    return {
        "same": not found,
        "before": about[0],
        "after": about[1],
        "settings": _changes(found.settings, "key"),
        "regions": list(found.regions),
        "tenants": [_tenants(change) for change in found.tenants],
        "exceptions": _changes(found.exceptions, "id"),
        "telemetry": _changes(found.telemetry, "rule"),
    }


def _changes(changes: tuple[Change, ...], name: str) -> list[dict[str, Any]]:
    return [{name: change.key, "before": change.before, "after": change.after} for change in changes]


def _tenants(change: TenantsChange) -> dict[str, Any]:
    return {
        "tenants": list(change.tenants),
        "rules": {"before": change.rules[0], "after": change.rules[1]},
        "settings": _changes(change.settings, "key"),
        "pairs": [
            {**pair._asdict(), "before": pair.before._asdict(), "after": pair.after._asdict()}
            for pair in change.pairs
        ],
    }
