"""`storescope residency`: where data may rest, and where it does."""

from __future__ import annotations

import click

from storescope.apps._residency_mark import mark


@click.group()
def residency() -> None:
    """Say where data rests.

    \b
    Example:
      storescope residency mark redis://db1.acme.example:6379/0 --region aws:eu-west-1
    """


residency.add_command(mark)
