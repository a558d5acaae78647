"""The TypeScript package, compiled once for a test session by npm's `typescript`, and Node programs on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers import ServerMissingError

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "typescript"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "storescope-tests"


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ServerMissingError(f"{name} is not installed; apt-get install nodejs npm")
    return found


def _modules() -> Path:
    """Return what npm installed for this lock file; the first time, it installs it."""
    lock = PACKAGE / "package-lock.json"
    folder = CACHE / f"typescript-{sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for file in (lock, PACKAGE / "package.json"):
            shutil.copy(file, folder)
        subprocess.run([_program("npm"), "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=110)
        (folder / "done").touch()
    return folder / "node_modules"


def compile_package(folder: Path) -> Path:
    """Compile the package in a folder of its own; return that of what was compiled."""
    made = folder / "typescript"
    shutil.copytree(PACKAGE, made)
    modules = _modules()
    (made / "node_modules").symlink_to(modules)
    subprocess.run([_program("node"), str(modules / "typescript/bin/tsc")], cwd=made, check=True, timeout=110)
    return made / "dist"


@contextmanager
def node_server(program: Path, dist: Path, *arguments: str) -> Generator[str]:
    """Run a Node program that prints its URL and serves until its stdin is closed."""
    command = [_program("node"), str(program), str(dist / "index.js"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the program ended"
        yield url
        process.stdin.close()
        assert process.wait(30) == 0


def run_node_tests(program: Path, dist: Path, **environment: str) -> None:
    """Run a program of `node:test`."""
    done = subprocess.run(
        [_program("node"), "--test", str(program)],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "PACKAGE": str(dist / "index.js"), **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
