"""`storescope residency mark`: writes into a store where its data rests, bound to its place."""

from __future__ import annotations

import asyncio

import click


@click.command()
@click.argument("url")
@click.option("--region", required=True, help="Where the data rests, PROVIDER:REGION, aws:eu-west-1.")
@click.option("--replace", is_flag=True, help="Write over a marker of another region or place.")
def mark(url: str, region: str, *, replace: bool) -> None:
    """Write into the store at URL where its data rests.

    The marker is bound to the place: the host as dialled, port and database, or the file. With probe=true, a
    backend looks for it when it is opened; a copy of the data that was restored elsewhere does not pass.

    Make sure of the region first. Run this where the agent runs, with the agent's URL; for Postgres, as the role
    that owns the tables.

    Exit codes: 0 written, or there already; 2 usage, another marker is there, or the store cannot be used.

    \b
    Example:
      storescope residency mark redis://db1.acme.example:6379/0 --region aws:eu-west-1
    """
    click.echo(asyncio.run(_mark(url, region, replace=replace)))


async def _mark(url: str, region: str, *, replace: bool) -> str:
    from storescope.backends._open import open_unprobed

    async with open_unprobed(url) as backend:
        marker = await backend.admin.mark(region, replace=replace)
    return f"{marker.identity} is marked as {marker.region}"
