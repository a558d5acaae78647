"""Runs the `storescope` command, as a user would or in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest import mock

import pytest

from storescope.apps import main

PROGRAM = Path(sys.executable).parent / "storescope"
_COLUMNS = {"COLUMNS": "100"}


def storescope(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a folder and return what it printed."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **_COLUMNS, **environment},
    )


def storescope_here(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Do the same in this process, which spares the second that a process needs to import everything.

    For commands that change nothing in the process; in a thread, as they run an event loop of their own. What is
    logged goes to pytest, not to stderr.
    """
    words = ["storescope", *map(str, arguments)]
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        ThreadPoolExecutor(1) as thread,
        chdir(cwd),
        mock.patch.object(sys, "argv", words),
        mock.patch.dict(os.environ, _COLUMNS),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        thread.submit(main).result()
    assert isinstance(ended.value.code, int)
    texts = [stream.detach().getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(words, ended.value.code, *texts)


def assert_one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Hold an error to one clear line on stderr and an exit code; return the line."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]
