"""Runs the real `storescope` command, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "storescope"


def storescope(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder and return what it printed."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


def assert_one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Hold an error to one clear line on stderr and an exit code; return the line."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]
