"""Files that are there whole or not at all, whatever happens to the machine meanwhile."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that must not exist; nobody ever sees it half written.

    Raises:
        FileExistsError: If it is there; `filename` is the path.
        OSError: If it cannot be written.
    """
    draft = _draft(path, text, mode)
    try:
        try:
            os.link(draft, path)
        except FileExistsError as error:
            error.filename = str(path)
            raise
        sync_folder(path.parent)
    finally:
        draft.unlink()


def write_over(path: Path, text: str, mode: int) -> None:
    """Write a file, in the place of what may be there; nobody ever sees it half written.

    Raises:
        OSError: If it cannot be written.
    """
    draft = _draft(path, text, mode)
    try:
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(path: Path, text: str, mode: int) -> Path:
    """Write a text durably under a name of its own, beside the path that it is meant for."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft
