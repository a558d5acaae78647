"""The cases of several processes, on small maps whose faults are known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from storescope.conformance import CASES, Case, Reopen, Result, Subject, run_case
from tests.conformance import file_maps

if TYPE_CHECKING:
    from pathlib import Path

CASES_BY_NAME = {case.name: case for case in CASES}
UPDATES = CASES_BY_NAME["session/updates_from_processes_survive"]
INSERTS = CASES_BY_NAME["message/inserts_from_processes_are_listed"]


async def run_on(folder: Path, opener: str, case: Case = UPDATES, seconds: float = 60) -> Result:
    reopen = Reopen(f"{file_maps.__file__}:{opener}", (str(folder),))
    return await run_case(case, Subject(file_maps.locked(str(folder)), reopen), seconds=seconds)


def marks(folder: Path, kind: str) -> list[int]:
    """Return the ids of the processes that left a file of this kind."""
    return [int(file.name.removeprefix(f"{kind}-")) for file in folder.glob(f"{kind}-*")]


@pytest.mark.parametrize("case", [UPDATES, INSERTS], ids=lambda case: case.name)
async def test_a_map_that_locks_passes(tmp_path: Path, case: Case) -> None:
    result = await run_on(tmp_path, "locked", case)
    assert result.status == "pass", result.why


@pytest.mark.parametrize("opener", ["awaited", "entered", "closing", "printing"])
async def test_every_form_of_opener(tmp_path: Path, opener: str) -> None:
    result = await run_on(tmp_path, opener)
    assert result.status == "pass", result.why
    assert len(marks(tmp_path, "closed")) == (5 if opener in {"entered", "closing"} else 0)


@pytest.mark.parametrize("case", [UPDATES, INSERTS], ids=lambda case: case.name)
async def test_a_map_that_loses_writes_is_caught(tmp_path: Path, case: Case) -> None:
    result = await run_on(tmp_path, "losing", case)
    assert result.status == "fail"
    assert "fifty concurrent" in result.why


@pytest.mark.parametrize("case", [UPDATES, INSERTS], ids=lambda case: case.name)
@pytest.mark.parametrize("opener", ["alone", "ALONE"])
async def test_dicts_that_each_process_has_for_itself_lose_nothing(case: Case, opener: str) -> None:
    """Nobody shares them: to call that a lost update would blame an innocent handler."""
    reopen = Reopen(f"{file_maps.__file__}:{opener}", ("",) if opener == "alone" else ())
    result = await run_case(case, Subject(file_maps.ALONE, reopen))
    assert (result.status, result.why) == (
        "not_applicable",
        "another process does not see what this one wrote",
    )


async def test_without_reopen_it_is_not_applicable(tmp_path: Path) -> None:
    result = await run_case(UPDATES, Subject(file_maps.locked(str(tmp_path))))
    assert result.status == "not_applicable"
    assert "reopen" in result.why


@pytest.mark.parametrize(
    ("opener", "why"),
    [
        ("unreachable", "could not open and read the store: ConnectionError: the database is down"),
        ("no_such_function", "could not open and read the store: AttributeError"),
        ("blank", "could not open and read the store: LookupError: no such table"),
        ("raising", "50 of 50 raised, the first PermissionError ('read-only here')"),
        ("dying", "another process died with its calls"),
    ],
)
async def test_a_process_that_fails_says_why(tmp_path: Path, opener: str, why: str) -> None:
    result = await run_on(tmp_path, opener)
    assert result.status == "fail"
    assert why in result.why


async def test_a_case_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    result = await run_on(tmp_path, "hanging", seconds=6)
    assert (result.status, result.why) == (
        "fail",
        "expected an end within 6 s, but a call still had not returned",
    )
    pids = marks(tmp_path, "pid")
    assert len(pids) == 5
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
