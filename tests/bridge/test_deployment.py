"""The systemd unit and the container files, as the tools that read them see them. Neither is started here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.command import PROGRAM
from tests.servers import ServerMissingError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operate-bridge.md"
ANY_VERSION = ("--ignore", "DL3013")  # which version is installed is the reader's choice


def block_below(heading: str) -> str:
    """Return the first code block of a section of the page."""
    found = re.search(rf"^## {heading}$.*?^```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_unit_is_one_for_systemd(tmp_path: Path) -> None:
    """Every key is known and well formed; the program, which may be anywhere, is the one that is tested here."""
    program = shutil.which("systemd-analyze")
    if program is None:
        raise ServerMissingError("systemd-analyze is not installed; apt-get install systemd")
    unit = tmp_path / "storescope.service"
    unit.write_text(block_below("systemd").replace("/opt/storescope/bin/storescope", str(PROGRAM)))
    command = [program, "verify", "--recursive-errors=no", str(unit)]  # other units of this machine may be wrong
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert unit.name not in done.stderr


@pytest.mark.parametrize("what", ["bridge", "example"])
def test_a_container_file_is_sound(what: str, tmp_path: Path) -> None:
    """For hadolint, which also asks shellcheck about what RUN runs."""
    app = ROOT / "dashboards" / "compose" / "app" / "Dockerfile"
    file = tmp_path / "Dockerfile"
    file.write_text(block_below("Container") if what == "bridge" else app.read_text())
    command = [str(Path(sys.executable).parent / "hadolint"), "--no-color", *ANY_VERSION, str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
