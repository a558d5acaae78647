"""`storescope audit`: keys for an audit log, and its verification; `show` and `anchor` have files of their own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from storescope.apps._audit_anchor import anchor
from storescope.apps._audit_override import override
from storescope.apps._audit_show import show


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


@audit.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The auditor's secret key, NAME.key.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
def verify(folder: Path, key: Path, *, as_json: bool) -> int:
    """Verify every record of the audit log in FOLDER.

    Exit codes: 0 intact, 1 altered, 2 usage or a wrong key, 3 intact up to an unsealed end (the writer is still
    open, crashed, or the end was cut), 4 truncated, 5 a stream is missing.

    \b
    Example:
      storescope audit verify audit/ --key auditor.key --json
    """
    from storescope.middleware._audit._verify import verify as verify_folder

    report = verify_folder(folder, key)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.summary())
    return int(report.verdict)
