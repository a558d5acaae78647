"""The agent's tools. They only read, and run one harmless command."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

_MOST_FILES = 500
_MOST_BYTES = 1_000_000
_COMMAND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool gave back.

    Attributes:
        text: All of it, as it is stored.
        summary: One line for people.
    """

    text: str
    summary: str


Tool: TypeAlias = Callable[[], Awaitable[Output]]
"""A tool with its arguments: awaiting its call runs it. It may raise `OSError`."""


def script(folder: Path) -> list[tuple[str, dict[str, Tool]]]:
    """Return the questions that the agent is asked about a folder, each with the tools that answer it."""
    path = text_file(folder)
    reading = {"read_file": partial(read_file, path), "count_words": partial(count_words, path)} if path else {}
    questions: list[tuple[str, dict[str, Tool]]] = [
        ("What is in this folder?", {"list_files": partial(list_files, folder)}),
        ("What is the main document about?", {**reading}),
        ("Where do we stand?", {"run_command": partial(run_command, folder)}),
    ]
    return [(question, tools) for question, tools in questions if tools]


def files_below(folder: Path) -> list[Path]:
    """Return the visible files in a folder and one level below, at most 500, in order."""
    found: list[Path] = []
    for pattern in ("*", "*/*"):
        for path in sorted(folder.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if not hidden and _is_file(path):
                found.append(path)
    return found[:_MOST_FILES]


async def list_files(folder: Path) -> Output:
    """List the files, with their sizes."""
    files = files_below(folder)
    lines = [f"{path.relative_to(folder)} {path.stat().st_size}" for path in files]
    return Output("\n".join(lines), f"{len(files)} files")


async def read_file(path: Path) -> Output:
    """Read a text file, at most a megabyte of it."""
    text = _text_of(path)
    first = next((line.strip("# ").strip() for line in text.splitlines() if line.strip()), "it is empty")
    return Output(text, f"{path.name}: {first[:60]}")


async def count_words(path: Path) -> Output:
    """Count the words of a text file."""
    count = len(_text_of(path).split())
    return Output(str(count), f"{path.name}: {count} words")


async def run_command(folder: Path) -> Output:
    """Run `git log -1` where there is a repository, else `uname`, for at most ten seconds."""
    in_git = shutil.which("git") is not None and (folder / ".git").exists()
    command = ["git", "log", "-1", "--format=%h %s"] if in_git else ["uname", "-sr"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_COMMAND_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return Output("", f"{command[0]} took too long")
    text = out.decode(errors="replace").strip()
    return Output(text, f"$ {' '.join(command[:2])}: {text.splitlines()[0][:60] if text else 'nothing'}")


def text_file(folder: Path) -> Path | None:
    """Return the README, or else the largest file that reads as text; None if there is none."""
    files = [path for path in files_below(folder) if _reads_as_text(path)]
    readmes = [path for path in files if path.name.lower().startswith("readme")]
    return next(iter(readmes), max(files, key=lambda path: path.stat().st_size, default=None))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _reads_as_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"\0" not in file.read(4096)
    except OSError:
        return False


def _text_of(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_MOST_BYTES)
