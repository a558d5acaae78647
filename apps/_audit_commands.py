"""`storescope audit`: keys for an audit log, and its verification; `show` and `anchor` have files of their own."""

from __future__ import annotations

from pathlib import Path

import click

from storescope.apps._audit_anchor import anchor
from storescope.apps._audit_override import override
from storescope.apps._audit_show import show
from storescope.apps._audit_verify import verify


@click.group()
def audit() -> None:
    """Make keys for an audit log, verify it, look into it, and anchor it elsewhere.

    \b
    Example:
      storescope audit verify audit/ --key auditor.key
    """


audit.add_command(override)
audit.add_command(show)
audit.add_command(anchor)


@audit.command()
@click.argument("name", type=click.Path(path_type=Path))
def keygen(name: Path) -> None:
    """Make an auditor's pair of keys: NAME.pub, which writers need, and NAME.key, which verifies.

    Keep NAME.key on another machine than the log. Existing files are never overwritten.

    \b
    Example:
      storescope audit keygen auditor
    """
    from storescope.middleware._audit._keys import generate

    public, secret = generate(name)
    click.echo(f"{public}: give it to writers, AuditLog.open(..., auditor={str(public)!r})")
    click.echo(f"{secret}: verifies; move it to another machine")


audit.add_command(verify)
