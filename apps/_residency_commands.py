"""`storescope residency`: the policy, what it says of a store, and moves between stores."""

from __future__ import annotations

import click

from storescope.apps._residency_check import check
from storescope.apps._residency_diff import diff
from storescope.apps._residency_explain import explain
from storescope.apps._residency_keygen import keygen
from storescope.apps._residency_mark import mark
from storescope.apps._residency_move import move
from storescope.apps._residency_scan import scan
from storescope.apps._residency_verify_proof import verify_proof


@click.group()
def residency() -> None:
    """Check, explain and compare residency policies, hold what is stored against one, and move sessions.

    \b
    Example:
      storescope residency check policy.toml
    """


residency.add_command(check)
residency.add_command(explain)
residency.add_command(diff)
residency.add_command(mark)
residency.add_command(scan)
residency.add_command(move)
residency.add_command(keygen)
residency.add_command(verify_proof)
