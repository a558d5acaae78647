"""Debian's Chromium, as tests start it: without a sandbox, because they run as root, and silent to the world."""

from __future__ import annotations

import shutil

from tests.servers import ServerMissingError

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROGRAM = shutil.which("chromium") or ""


def program() -> str:
    """Return where it is."""
    if not PROGRAM:
        raise ServerMissingError("chromium is not installed; apt-get install chromium")
    return PROGRAM
