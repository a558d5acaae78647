"""An operator's override lets calls go on for a stated time and reason, ends by itself, and is in the log."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from storescope import AuditError
from storescope.apps._cli import cli
from storescope.middleware import AuditLog
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._audit._writing import _override
from storescope.middleware._audit._writing._override import Override, who
from storescope.middleware._audit._writing._stream import Stream
from tests.audit.logs import records_of, until, wrapped

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Generator[pytest.MonkeyPatch]:
    """A disk that takes nothing, until the patch is undone."""
    monkeypatch.setattr(_override, "POLL_SECONDS", 0.02)
    with pytest.MonkeyPatch.context() as patch:

        def full(stream: Stream, texts: list[str]) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(Stream, "write", full)
        yield patch


def overrides(log: AuditLog) -> list[tuple[str, str, str, str]]:
    told = [record for record in records_of(log) if record["phase"] == "override"]
    return [(each["state"], each["on_failure"], each["reason"], each["by"]) for each in told]


async def write(log: AuditLog) -> None:
    await wrapped(log)["session.set"](id="s1", value={})


async def test_what_the_process_is_told_holds_until_its_time_is_over(
    tmp_path: Path, broken: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AuditLog.open(tmp_path / "audit") as log:
        with pytest.raises(AuditError):
            await write(log)
        log.override("allow", seconds=60, reason="the disk is being replaced", by="ann")
        await write(log)
        monkeypatch.setattr(_override, "time", SimpleNamespace(time=lambda: time.time() + 61))
        with pytest.raises(AuditError):
            await write(log)
        await until(lambda: len(log._journal._own) == 2)
        broken.undo()
        await write(log)
    said = ("allow", "the disk is being replaced", "ann")
    assert overrides(log) == [("begun", *said), ("ended", *said)]
    assert verify(log.folder, tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_it_refuses_too_and_ends_when_told(tmp_path: Path, broken: pytest.MonkeyPatch) -> None:
    async with AuditLog.open(tmp_path / "audit") as log:
        log.override("refuse", seconds=60, reason="an audit is under way")
        with pytest.raises(AuditError):
            await wrapped(log, on_failure="allow")["session.get"](id="s1")
        log.end_override()
        await wrapped(log, on_failure="allow")["session.get"](id="s1")
        broken.undo()
    assert [each[::3] for each in overrides(log)] == [("begun", who()), ("ended", who())]


async def test_every_process_takes_up_what_the_command_says(tmp_path: Path, broken: pytest.MonkeyPatch) -> None:
    run, folder = CliRunner(), tmp_path / "audit"
    async with AuditLog.open(folder) as log, AuditLog.open(folder) as other:
        told = ["audit", "override", str(folder), "--on-failure", "allow", "--for", "1h", "--reason", "INC-1"]
        result = run.invoke(cli, [*told, "--by", "bob"])
        assert result.exit_code == 0, result.output
        assert f"{folder / 'override.json'}: allow until 20" in result.output
        await until(lambda: log.answer("refuse") == other.answer("refuse") == "allow")
        await write(log)
        assert run.invoke(cli, ["audit", "override", str(folder), "--end"]).exit_code == 0
        await until(lambda: log.answer("refuse") == other.answer("refuse") == "refuse")
        with pytest.raises(AuditError):
            await write(other)
        broken.undo()
    assert (
        sorted(overrides(log))
        == [("begun", "allow", "INC-1", "bob")] * 2 + [("ended", "allow", "INC-1", "bob")] * 2
    )


async def test_the_file_may_lie_where_the_disk_is_sound(tmp_path: Path, broken: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "word.json"
    async with AuditLog.open(tmp_path / "audit", override_file=elsewhere) as log:
        Override.of("allow", 60, "why", "ann").write(elsewhere)
        await until(lambda: log.answer("refuse") == "allow")
        broken.undo()


SAID: dict[str, Any] = {"on_failure": "allow", "until": 0.0, "reason": "why", "by": "ann"}


@pytest.mark.parametrize(
    "changed",
    [
        {"on_failure": "shrug"},
        {"until": 10**6},
        {"until": "soon"},
        {"reason": " "},
        {"reason": None, "by": None, "until": None},
        "[]",
        "nonsense",
    ],
)
async def test_a_file_that_is_no_override_changes_nothing_and_is_told(
    changed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_override, "POLL_SECONDS", 0.02)
    async with AuditLog.open(tmp_path / "audit") as log:
        if isinstance(changed, dict):
            made = {**SAID, "until": 60.0, **changed}
            if isinstance(made["until"], float | int):
                made["until"] += time.time()
            changed = json.dumps(made)
        (tmp_path / "audit" / "override.json").write_text(changed)
        await until(lambda: any("override_ignored" in line for line in caplog.messages))
        assert log.answer("refuse_writes") == "refuse_writes"
    assert not overrides(log)


def test_one_that_is_over_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "override.json").write_text(json.dumps(SAID))
    assert Override.read(tmp_path / "override.json") is None
    assert Override.read(tmp_path / "nowhere.json") is None


@pytest.mark.parametrize(
    ("on_failure", "seconds", "reason", "wrong"),
    [
        ("shrug", 1, "why", "refuse_writes or allow"),
        ("allow", 0, "why", "more than 0"),
        ("allow", 86_401, "why", "at most 86400"),
        ("allow", float("nan"), "why", "more than 0"),
        ("allow", 1, "  ", "needs a reason"),
    ],
)
def test_what_is_no_override_is_refused(on_failure: str, seconds: float, reason: str, wrong: str) -> None:
    with pytest.raises(AuditError, match=wrong):
        Override.of(on_failure, seconds, reason, "ann")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--on-failure", "allow"], "--reason"),
        (["--on-failure", "allow", "--for", "soon", "--reason", "x"], "90s, 15m, 2h or 1d"),
        (["--on-failure", "allow", "--for", "2d", "--reason", "x"], "at most 86400"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], says: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["audit", "override", str(tmp_path), *arguments])
    assert result.exit_code != 0
    assert says in f"{result.output}{result.exception}"
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be written: No such file"):
        Override.of("allow", 1, "why", "ann").write(tmp_path / "nowhere" / "override.json")
