"""`storescope residency check`: is this policy sound, and does it say what its author meant?"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._findings import Finding


@click.command()
@click.argument("policy")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def check(policy: str, *, as_json: bool) -> int:
    """Look for mistakes in a policy file.

    An error means that POLICY cannot be loaded, or does not guard. Warnings and notes are for a person to look at;
    they do not make a policy wrong.

    Exit codes: 0 sound, 1 wrong, 2 the file cannot be read.

    \b
    Example:
      storescope residency check policy.toml
    """
    from storescope.middleware._region._reader import one_line

    loaded, findings = _check(policy)
    sound = not any(finding.severity == "error" for finding in findings)
    if as_json:
        click.echo(json.dumps(_report(policy, loaded, findings, sound=sound), indent=2))
    else:
        for finding in findings:
            place = f" {finding.key}:" if finding.key else ""
            click.echo(f"{finding.severity}:{place} {finding.text} [{finding.code}]")
        click.echo(one_line(f"{policy}: {_summary(loaded, findings, sound=sound)}"))
    return 0 if sound else 1


def _check(path: str) -> tuple[ResidencyPolicy | None, list[Finding]]:
    from storescope.errors import PolicyError
    from storescope.middleware._region._findings import check as check_tables
    from storescope.middleware._region._findings import invalid
    from storescope.middleware._region._toml import parse, read

    content = read(path)  # what cannot be read is not a policy that is wrong
    try:
        data = parse(content, path)
    except PolicyError as error:
        return None, [invalid(error, path)]
    return check_tables(data, time.time(), source=path)


def _report(
    path: str, policy: ResidencyPolicy | None, findings: list[Finding], *, sound: bool
) -> dict[str, object]:
    return {
        "policy": path,
        "sound": sound,
        "version": policy.version if policy else None,
        "digest": policy.digest if policy else None,
        "findings": [asdict(finding) for finding in findings],
    }


def _summary(policy: ResidencyPolicy | None, findings: list[Finding], *, sound: bool) -> str:
    counts = Counter(finding.severity for finding in findings)
    found = [
        f"{counts[each]} {each}{'s' * (counts[each] > 1)}" for each in ("error", "warning", "note") if counts[each]
    ]
    verdict = ", ".join(["sound" if sound else "wrong", *found])
    return f"{verdict} (version {policy.version!r}, digest {policy.digest[:12]})" if policy else verdict
