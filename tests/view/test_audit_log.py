"""The audit log beside the spans: its records by trace, live, and what the verifier says of it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from storescope import AuditError, ResidencyError, call_context, wrap
from storescope.apps.view import Options, Viewer, _audit_log
from storescope.apps.view._audit_log import AuditFollower
from storescope.backends import open_backend
from storescope.middleware import AuditLog, audit, region_guard, tracing
from storescope.middleware._audit._keys import generate
from tests.policies import EU_ONLY
from tests.view.sending import get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "audit").mkdir()
    return generate(tmp_path / "auditor")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_log, "_LOOK_SECONDS", 0.05)


async def calls(folder: Path, public: Path, provider: TracerProvider) -> None:
    """Write a session, and be denied."""
    async with (
        open_backend("memory:", region="aws:eu-west-1") as backend,
        AuditLog.open(folder, auditor=public) as log,
    ):
        guard = region_guard(EU_ONLY, caller_region="aws:eu-west-1")
        handlers = wrap(backend, tracing(tracer_provider=provider), audit(log), guard)
        with call_context(tenant="acme", actor="agent", region="aws:eu-west-1"):
            await handlers["session.set"](id="s1", value={})
        with call_context(tenant="acme", region="aws:us-east-1"), pytest.raises(ResidencyError):
            await handlers["session.get"](id="s1")


def eventually(look: Callable[[], Any]) -> Any:
    give_up = time.monotonic() + 30
    while True:
        found = look()
        if found or time.monotonic() > give_up:
            return found
        time.sleep(0.05)


async def test_records_stand_beside_the_spans_of_their_trace(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    folder = tmp_path / "audit"
    with Viewer(0, Options(audit=folder, audit_key=keys[1])).start() as viewer:
        assert get(viewer.url, "/api/status").json["audit"]["verdict"] == "pending"
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{viewer.url}/v1/traces")))
        await calls(folder, keys[0], provider)
        provider.shutdown()
        state = eventually(lambda: _intact(viewer))
        assert state["records"] == 3
        assert state["summary"].startswith("intact")
        assert state["checked"] / 1e3 == pytest.approx(time.time(), abs=60)
        denied, written = (
            get(viewer.url, f"/api/trace/{trace['trace_id']}").json
            for trace in get(viewer.url, "/api/traces").json["traces"]
        )
        page = get(viewer.url, f"/trace/{written['trace_id']}/export").body.decode()
    assert re.findall(r"<td>(intent|outcome)</td>", page) == ["intent", "outcome"]
    assert [(one["phase"], one.get("outcome")) for one in written["audit"]] == [
        ("intent", None),
        ("outcome", "ok"),
    ]
    assert written["audit"][0]["span_id"] == written["waterfall"][0]["span_id"]
    assert written["audit"][1]["residency"]["text"] == "allowed by rule eu-only: every fact is known and allowed"
    assert written["waterfall"][0]["residency"] is None
    assert denied["audit"][0]["decision"] == "deny"
    assert denied["audit"][0]["residency"]["text"] == denied["waterfall"][0]["residency"]["text"]


def _intact(viewer: Viewer) -> dict[str, Any] | None:
    state: dict[str, Any] = get(viewer.url, "/api/status").json["audit"]
    return state if state["verdict"] == "intact" and state["records"] == 3 else None


async def test_a_log_that_is_altered_is_found_while_the_viewer_runs(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    folder = tmp_path / "audit"
    await calls(folder, keys[0], TracerProvider(shutdown_on_exit=False))
    with AuditFollower(folder, keys[1]) as follower:
        assert eventually(lambda: follower.state()["verdict"] == "intact")
        (file,) = folder.glob("*.jsonl")
        version = follower.version
        file.write_bytes(file.read_bytes().replace(b'"actor":"agent"', b'"actor":"nobody"', 1))
        assert eventually(lambda: follower.state()["verdict"] == "altered")
        assert follower.version > version


async def test_without_a_key_it_is_shown_and_not_verified(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    folder = tmp_path / "audit"
    await calls(folder, keys[0], TracerProvider(shutdown_on_exit=False))
    with AuditFollower(folder, None) as follower:
        assert eventually(lambda: follower.state()["records"] == 3)
        assert follower.state()["verdict"] == "unverified"
        assert "--audit-key" in follower.state()["summary"]


async def test_another_logs_key_is_said(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    folder = tmp_path / "audit"
    await calls(folder, keys[0], TracerProvider(shutdown_on_exit=False))
    with AuditFollower(folder, generate(tmp_path / "other")[1]) as follower:
        assert eventually(lambda: follower.state()["verdict"] == "failed")
        assert "key is not the one" in follower.state()["summary"]


async def test_a_folder_that_goes_away_is_a_problem_and_comes_back(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    folder = tmp_path / "audit"
    with AuditFollower(folder, None) as follower:
        folder.rename(tmp_path / "elsewhere")
        assert "cannot be read" in eventually(lambda: follower.state()["problem"])
        (tmp_path / "elsewhere").rename(folder)
        await calls(folder, keys[0], TracerProvider(shutdown_on_exit=False))
        assert eventually(lambda: follower.state()["records"] == 3)
        assert follower.state()["problem"] is None


def test_what_the_verifier_did_not_foresee_is_said_too(
    tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(_audit_log, "verify", fails)
    AuditLog.open(tmp_path / "audit", auditor=keys[0]).close()
    with AuditFollower(tmp_path / "audit", keys[1]) as follower:
        assert eventually(lambda: follower.state()["verdict"] == "failed")
        assert "MemoryError" in follower.state()["summary"]


def test_a_folder_or_key_that_cannot_be_read_is_an_error_at_once(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(AuditError, match="nowhere"):
        AuditFollower(tmp_path / "nowhere", None)
    with pytest.raises(AuditError, match=r"none\.key"):
        AuditFollower(tmp_path / "audit", tmp_path / "none.key")
