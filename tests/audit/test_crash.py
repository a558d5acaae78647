"""`kill -9` loses no record that a call was acknowledged with, and leaves a log that reopens and verifies."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from storescope.middleware import AuditLog
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.crash_writers import Writers
from tests.rounds import SCALE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.unmeasured

ROUNDS = 10 * SCALE if SCALE > 1 else 5
IN_ONE_FOLDER = 5
AT_ONCE = 3
MOST_SECONDS = 0.3
"""How long a writer lives at most: it opens, begins segments, seals, packs and recovers what others left."""


@pytest.fixture
def writers(tmp_path: Path) -> Generator[Writers]:
    (tmp_path / "acknowledged").mkdir()
    with Writers(tmp_path / "acknowledged") as made:
        yield made


@pytest.mark.parametrize("durability", ["group", "each", "none"])
def test_killed_writers_lose_nothing_that_they_acknowledged(
    durability: Any, writers: Writers, tmp_path: Path
) -> None:
    public, secret = generate(tmp_path / "auditor")
    chance = random.Random(4711)
    folder, acknowledged = tmp_path, set[str]()
    for round_ in range(ROUNDS):
        if round_ % IN_ONE_FOLDER == 0:
            folder, acknowledged = tmp_path / f"audit{round_}", set()
        options = {"auditor": str(public), "durability": durability, "seal_seconds": chance.choice([0.02, 60])}
        alive = [writers.start(folder, segment_bytes=20_000, **options) for _ in range(AT_ONCE)]
        for writer in alive:
            time.sleep(chance.uniform(0, MOST_SECONDS / AT_ONCE))
            writer.kill()
            acknowledged |= writer.acknowledged
        check(folder, secret, acknowledged)
        if round_ % IN_ONE_FOLDER == IN_ONE_FOLDER - 1:
            assert acknowledged
            AuditLog.open(folder, auditor=public, durability=durability).close()
            check(folder, secret, acknowledged)
            check_recovered(records_of(folder))


def test_writers_killed_while_they_take_old_segments_away_leave_what_verifies(
    writers: Writers, tmp_path: Path
) -> None:
    """The tombstone is there before the segment is gone, whenever the writer is stopped."""
    public, secret = generate(tmp_path / "auditor")
    chance = random.Random(4711)
    options = {"auditor": str(public), "durability": "none", "segment_bytes": 20_000, "retain_days": 0.1 / 86_400}
    for round_ in range(ROUNDS):
        folder = tmp_path / f"audit{round_ // IN_ONE_FOLDER}"
        alive = [writers.start(folder, **options) for _ in range(AT_ONCE)]
        for writer in alive:
            time.sleep(chance.uniform(0, 2 * MOST_SECONDS / AT_ONCE))
            writer.kill()
        check(folder, secret, ())
    assert any(record["phase"] == "tombstone" for record in records_of(tmp_path / "audit0"))


def check(folder: Path, secret: Path, acknowledged: Iterable[str]) -> None:
    """Hold a folder to having both records of every call that was answered, and to being as it was written."""
    if not streams_of(folder):  # all were killed before they had begun one
        assert not acknowledged
        return
    report = verify(folder, secret)
    assert report.verdict in {Verdict.INTACT, Verdict.UNSEALED}, report
    found = {(record["call_id"], record["phase"]) for record in records_of(folder)}
    assert {(call_id, phase) for call_id in acknowledged for phase in ("intent", "outcome")} <= found


def check_recovered(records: Sequence[dict[str, Any]]) -> None:
    """Hold a folder to saying of every call how it ended or that nobody knows, and of which writers it does not.

    It may say so twice: who says it may be killed before it has noted that it did.
    """
    outcomes = [record for record in records if record["phase"] == "outcome"]
    unknown = {(record["call_id"], *record["intent"].values()) for record in outcomes if "intent" in record}
    known = {record["call_id"] for record in outcomes if "intent" not in record}
    intents = {(r["call_id"], r["stream"], r["seq"]) for r in records if r["phase"] == "intent"}
    assert unknown == {intent for intent in intents if intent[0] not in known}
    ends = {record["stream"]: record for record in records}
    left = {(end["stream"], end["seq"], end["mac"]) for end in ends.values() if end.get("closes") != "stream"}
    assert {tuple(record["from"].values()) for record in records if record["phase"] == "recovery"} == left


def records_of(folder: Path) -> list[dict[str, Any]]:
    """Return all whole lines of a folder, of packed segments too."""
    records: list[dict[str, Any]] = []
    for segments in streams_of(folder).values():
        for segment in segments:
            with segment.open() as file:
                records += [json.loads(line) for line in file.read().split(b"\n")[:-1]]
    return records
