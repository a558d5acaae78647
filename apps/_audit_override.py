"""`storescope audit override`: an operator's word to the processes that write to a folder."""

from __future__ import annotations

from pathlib import Path

import click

from storescope.apps._duration import Duration


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--on-failure",
    type=click.Choice(["refuse", "refuse_writes", "allow"]),
    help="What happens meanwhile to calls that cannot be logged.",
)
@click.option("--for", "seconds", type=Duration(), help="For how long: 15m, 2h; a day at most.")
@click.option("--reason", help="Why; it stands in the log.")
@click.option("--by", help="Who says so; the system's user if left out.")
@click.option("--end", is_flag=True, help="End it now.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the writers look, if opened with override_file=; else FOLDER/override.json.",
)
def override(  # noqa: PLR0913 (click passes one by keyword for each option)
    folder: Path,
    *,
    on_failure: str | None,
    seconds: float | None,
    reason: str | None,
    by: str | None,
    end: bool,
    file: Path | None,
) -> None:
    """Let calls go on, or refuse them, while the audit log in FOLDER cannot be written.

    Every process that writes to FOLDER takes it up within a second and records who said so, why and until when. It
    ends by itself.

    \b
    Example:
      storescope audit override audit/ --on-failure allow --for 30m --reason "disk is being replaced, INC-123"
    """
    from storescope.middleware._audit._writing._override import Override, who

    path = folder / "override.json" if file is None else file
    if end:
        path.unlink(missing_ok=True)
        click.echo(f"{path}: ended")
        return
    if on_failure is None or seconds is None or reason is None:
        raise click.UsageError("give --on-failure, --for and --reason, or --end")
    said = Override.of(on_failure, seconds, reason, who() if by is None else by)
    said.write(path)
    click.echo(f"{path}: {on_failure} until {said.until_text()}")
