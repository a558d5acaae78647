"""Counts the instructions that a module executes, with `valgrind --tool=callgrind`.

A count depends on the interpreter and the libraries, and not on how busy the machine is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MARK = "getloadavg"  # callgrind knows the C library's functions by name, and nobody else calls this one
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


class CountError(RuntimeError):
    """Nothing could be counted."""


def mark() -> None:
    """End one part of the count and begin the next, in a module that `count_parts` runs."""
    os.getloadavg()


def count_parts(module: str, folder: Path) -> list[int]:
    """Run a module under callgrind.

    Args:
        module: Its name. It calls `mark`.
        folder: Where callgrind leaves its files.

    Returns:
        The instructions of the main thread before the first mark, and from each mark to the next.

    Raises:
        CountError: If valgrind is missing, the module failed, or no mark was seen.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CountError("valgrind is missing; `tests/install-servers valgrind` installs it")
    out = folder / "callgrind"
    command = [
        *(valgrind, "--tool=callgrind", f"--callgrind-out-file={out}"),
        *(f"--dump-before={_MARK}", "--separate-threads=yes"),  # what logs tend meanwhile is no call's
        *(sys.executable, "-m", module),
    ]
    # Hashes that differ from run to run make dicts collide now here, now there.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CountError(f"{module} failed under callgrind:\n{done.stderr}")
    # The last part is in a file without a number.
    dumps = {int(path.name.split(".")[1].split("-")[0]): path for path in folder.glob("callgrind.*-01")}
    if not dumps:
        raise CountError(f"callgrind saw no call of {_MARK}, by which {module} marks what is counted")
    return [_total(dumps[number]) for number in sorted(dumps)]


def _total(dump: Path) -> int:
    found = _TOTAL.search(dump.read_text())
    if found is None:
        raise CountError(f"{dump.name} has no total")
    return int(found[1])
