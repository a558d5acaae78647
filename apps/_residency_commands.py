"""`storescope residency`: the policy and what it says of a store."""

from __future__ import annotations

import click

from storescope.apps._residency_check import check
from storescope.apps._residency_diff import diff
from storescope.apps._residency_explain import explain
from storescope.apps._residency_mark import mark
from storescope.apps._residency_scan import scan


@click.group()
def residency() -> None:
    """Check, explain and compare residency policies, and hold what is stored against one.

    \b
    Example:
      storescope residency check policy.toml
    """


residency.add_command(check)
residency.add_command(explain)
residency.add_command(diff)
residency.add_command(mark)
residency.add_command(scan)
