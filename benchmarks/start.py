"""What `import storescope` and the command line take before they do anything."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._result import Result, Row
from benchmarks._rounds import added, median, microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks._rounds import Work

ROUNDS = 21
PROGRAM = Path(sys.executable).parent / "storescope"
BARE = "python -c pass"
COMMANDS: dict[str, Sequence[str]] = {
    BARE: (sys.executable, "-c", "pass"),
    "import storescope": (sys.executable, "-c", "import storescope"),
    "import storescope.middleware": (sys.executable, "-c", "import storescope.middleware"),
    "storescope --help": (str(PROGRAM), "--help"),
}
MOST = {f"import storescope, beyond {BARE}": 60, "storescope --help": 300}
"""Milliseconds."""
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""This process's, in which Python keeps what it compiled."""


async def run(folder: Path, *, rounds: int = ROUNDS) -> Result:
    """Start processes in turn, with modules that are compiled already, as installed ones are."""
    contenders: dict[str, Work] = {name: partial(_start, command, folder) for name, command in COMMANDS.items()}
    figures = await microseconds(contenders, calls=1, rounds=rounds)
    taken = {name: [took / 1_000 for took in values] for name, values in figures.items()}
    rows = [Row(name, median(values), most=MOST.get(name)) for name, values in taken.items()]
    for name in COMMANDS:
        if name != BARE:
            beyond = f"{name}, beyond {BARE}"
            rows.append(Row(beyond, median(added(taken, name, BARE)), most=MOST.get(beyond)))
    return Result("what it takes to start", rows, {"": taken}, unit="ms (median)")


async def _start(command: Sequence[str], folder: Path) -> None:
    _run(command, folder)


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env=_ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
