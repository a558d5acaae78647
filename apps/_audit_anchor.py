"""`storescope audit anchor`: how far the streams have come, to be kept where the log cannot be rewritten from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from storescope.middleware._audit._reading._cursor import Problem


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--append", type=click.Path(path_type=Path), help="Also append them to this file, durably.")
def anchor(folder: Path, *, append: Path | None) -> int:
    """Print the heads of the audit log in FOLDER as JSON Lines: of each stream the last record's number and MAC.

    Kept on another machine they are an anchor: what is cut off, rolled back or replaced later does not fit it. No
    key is needed, and writers may be writing. Nothing is verified here: anchor a log that you trust.

    Exit codes: 0 every stream has its head here, 1 one has none, because its end is no record, 2 usage.

    \b
    Example:
      storescope audit anchor audit/ --append /mnt/elsewhere/anchors.jsonl
    """
    from storescope.middleware._audit._reading._heads import anchor_lines, append_lines

    problems: list[Problem] = []
    lines = list(anchor_lines(folder, problems.append))
    if append is not None:
        append_lines(append, lines, folder=folder)
    for line in lines:
        click.echo(line)
    if append is not None:
        click.echo(
            f"{len(lines)} head{'s' if len(lines) != 1 else ''} appended to {append}, on the disk", err=True
        )
    for problem in problems:
        _tell(problem)
    return 1 if problems else 0


def _tell(problem: Problem) -> None:
    from storescope.middleware._region._reader import one_line

    click.echo(one_line(f"storescope: {problem.path}: {problem.what}"), err=True)
