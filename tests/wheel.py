"""The wheel, built from what git tracks, away from this tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_wheel(folder: Path) -> Path:
    """Build it in a folder; return it."""
    archive = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, archive.decode().split("\0")):
        source, target = ROOT / name, folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.exists():
            target.write_bytes(source.read_bytes())
    # Not isolated: the build's own environment would be downloaded and made anew.
    options = ("--no-build-isolation", "--disable-pip-version-check", "-q", "--no-deps", "-w", str(folder))
    command = [sys.executable, "-m", "pip", "wheel", *options, str(folder / "source")]
    subprocess.run(command, check=True, capture_output=True, timeout=110)
    return next(folder.glob("*.whl"))
