"""`storescope residency keygen`: the keys that sign the proofs of moves."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name", type=click.Path(path_type=Path))
def keygen(name: Path) -> None:
    """Make a pair of keys for the proofs of moves: NAME.key, which signs, and NAME.pub, which verifies.

    Existing files are never overwritten.

    Exit codes: 0 made, 2 a file exists or cannot be written.

    \b
    Example:
      storescope residency keygen mover
    """
    from storescope.middleware._region._moving._signing import generate

    public, secret = generate(name)
    click.echo(f"{secret}: signs, storescope residency move ... --key {secret}; keep it where moves are made")
    click.echo(f"{public}: verifies; give it to auditors by another way than the proofs")
