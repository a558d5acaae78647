"""The `storescope` command. Each command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import sys

import click

from storescope.apps._audit_commands import audit
from storescope.apps._conformance_command import conformance
from storescope.apps._dashboard_commands import dashboards
from storescope.apps._demo_command import demo
from storescope.apps._dynamodb_commands import dynamodb
from storescope.apps._load_command import load
from storescope.apps._residency_commands import residency
from storescope.apps._serve_command import serve, token
from storescope.apps._view_command import view
from storescope.errors import StorageError

USAGE_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="storescope", message="%(prog)s %(version)s")
def cli() -> None:
    """See, prove and guard what an AI agent stores.

    \b
    Example:
      storescope demo
    """


cli.add_command(demo)
cli.add_command(load)
cli.add_command(view)
cli.add_command(serve)
cli.add_command(token)
cli.add_command(audit)
cli.add_command(dashboards)
cli.add_command(residency)
cli.add_command(dynamodb)
cli.add_command(conformance)


def main() -> None:
    """Run the command line; errors are one line on stderr and an exit code, never a traceback."""
    sys.exit(_run())


def _run() -> int:
    try:
        return int(cli.main(prog_name="storescope", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except StorageError as error:
        click.echo(f"storescope: {error}", err=True)
        return USAGE_ERROR
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, `storescope demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
