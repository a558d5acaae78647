"""The example app of the compose file, run as the container would run it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from storescope.middleware._audit._files import streams_of

if TYPE_CHECKING:
    from pathlib import Path


def test_it_works_and_leaves_an_audit_log(tmp_path: Path) -> None:
    """Enough sessions for one that is denied; then it ends, as it does not in the container."""
    options = ["--port", "0", "--pause", "0", "--sessions", "100"]
    command = [sys.executable, "-m", "storescope.apps.example", str(tmp_path / "data"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "metrics on http://127.0.0.1:" in done.stderr
    assert done.stderr.count("denied: session.set") == 1
    assert streams_of(tmp_path / "data" / "audit")
