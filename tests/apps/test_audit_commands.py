"""`storescope audit`: keys and verification, with the exit codes that scripts rely on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from storescope import wrap
from storescope.middleware import AuditLog, audit
from tests.apps.command import assert_one_line, storescope_here

if TYPE_CHECKING:
    from pathlib import Path


async def get_session(*, id: str) -> None:
    del id


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    """A sealed log of three calls, with the auditor's keys beside it."""
    assert storescope_here("audit", "keygen", "auditor", cwd=tmp_path).returncode == 0
    async with AuditLog.open(tmp_path / "audit", auditor=tmp_path / "auditor.pub") as opened:
        handlers = wrap({"session.get": get_session}, audit(opened))
        for number in range(3):
            await handlers["session.get"](id=f"s{number}")
    return next((tmp_path / "audit").glob("*.jsonl"))


def verify(log: Path, *arguments: str) -> tuple[int, str]:
    done = storescope_here("audit", "verify", "audit", "--key", "auditor.key", *arguments, cwd=log.parents[1])
    return done.returncode, done.stdout


def test_an_intact_log_exits_0(log: Path) -> None:
    code, text = verify(log)
    assert code == 0
    assert text == "intact: 5 records in 1 stream; self-consistent, not anchored\n"


def test_an_altered_log_exits_1_and_says_where(log: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b'"outcome":"ok"', b'"outcome":"no"', 1))
    code, text = verify(log)
    assert code == 1
    assert text.startswith("altered: stream")
    assert "line 2" in text


def test_a_log_without_its_end_exits_3(log: Path) -> None:
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert verify(log)[0] == 3


def test_the_report_as_json(log: Path) -> None:
    code, text = verify(log, "--json")
    assert code == 0
    found = json.loads(text)
    assert (found["verdict"], found["exit_code"], found["records"], found["findings"]) == ("intact", 0, 5, [])


def test_a_wrong_key_exits_2(log: Path) -> None:
    folder = log.parents[1]
    storescope_here("audit", "keygen", "other", cwd=folder)
    line = assert_one_line(storescope_here("audit", "verify", "audit", "--key", "other.key", cwd=folder), 2)
    assert "the key is not the one" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "--key", "auditor.key"], "nowhere"),
        (["audit", "--key", "nowhere.key"], "nowhere.key"),
        (["audit", "--key", "auditor.pub"], "NAME.key"),
    ],
)
def test_wrong_usage_exits_2(log: Path, arguments: list[str], says: str) -> None:
    assert says in assert_one_line(storescope_here("audit", "verify", *arguments, cwd=log.parents[1]), 2)


def test_keys_are_never_overwritten(log: Path) -> None:
    before = (log.parents[1] / "auditor.key").read_text()
    assert "exists already" in assert_one_line(
        storescope_here("audit", "keygen", "auditor", cwd=log.parents[1]), 2
    )
    assert (log.parents[1] / "auditor.key").read_text() == before
