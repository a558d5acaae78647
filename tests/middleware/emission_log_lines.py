"""Everything that goes wrong with a log or a policy, once, so that every line is written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from storescope.apps.serve import _tokens
from storescope.apps.serve._endpoints import _internal
from storescope.middleware import AuditLog, PolicyFile
from storescope.middleware._audit._writing import _override
from storescope.middleware._audit._writing._stream import Stream
from storescope.middleware._log import _last_reported, telemetry_failed
from tests.bridge.tokens import make_token
from tests.region.test_policy_file import put, text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.middleware.emitted import Emitted

_SECONDS = 20.0


def log_lines(seen: Emitted, folder: Path) -> None:
    """Cause each of storescope's own log lines."""
    _last_reported.clear()
    telemetry_failed("metrics", ValueError("x"))
    _policy(folder)
    _told(seen, folder)
    _lost(seen, folder)
    _bridge(folder)


def _until(seen: Emitted, event: str) -> None:
    ends = time.monotonic() + _SECONDS
    while event not in seen.events:
        assert time.monotonic() < ends, f"{event} is never logged"
        time.sleep(0.02)


def _policy(folder: Path) -> None:
    path = folder / "policy.toml"
    path.write_text(text())
    source = PolicyFile(path)
    put(path, text(version=2))
    assert source.reload()
    put(path, "nonsense")
    assert not source.reload()


def _told(seen: Emitted, folder: Path) -> None:
    """What an operator, and the receiver of heads, get wrong."""

    def fail(_: Any) -> None:
        raise ValueError("its own")

    with patch.object(_override, "POLL_SECONDS", 0.02), AuditLog.open(folder / "told", on_head=fail) as log:
        log.override("allow", seconds=60, reason="a full disk")
        (log.folder / "override.json").write_text("nonsense")
        _until(seen, "storescope.audit.override_ignored")


def _lost(seen: Emitted, folder: Path) -> None:
    """A live file that is deleted, a seal that the disk refuses, a folder that cannot be used."""
    with AuditLog.open(folder / "lost", seal_seconds=0.05) as log:
        with patch.object(Stream, "seal", side_effect=OSError(5, "Input/output error")):
            _until(seen, "storescope.audit.write_failed")
        for path in log.folder.glob("*.jsonl"):
            path.unlink()
        _until(seen, "storescope.audit.tampered")
        log._journal._open_failed("No space left on device")


def _bridge(folder: Path) -> None:
    """A handler that fails, and a token file that is changed for good and for bad."""
    _internal(ValueError("its own"))
    path = folder / "tokens.toml"
    with patch.object(_tokens, "LOOK_SECONDS", 0.0):
        make_token(path, "one")
        tokens = _tokens.TokenFile(path)
        make_token(path, "two")
        tokens.find("")
        path.write_text("nonsense")
        tokens.find("")
