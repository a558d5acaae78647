"""`storescope residency`: the policy and what it says of a store."""

from __future__ import annotations

import click

from storescope.apps._residency_scan import scan


@click.group()
def residency() -> None:
    """Hold what is stored against a residency policy.

    \b
    Example:
      storescope residency scan 'redis://localhost?region=aws:eu-west-1' --policy policy.toml
    """


residency.add_command(scan)
