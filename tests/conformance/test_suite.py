"""The test of the tests: a correct map passes, and each broken one is caught by the case that claims it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storescope.conformance import CASES, Case, Reopen, Subject, run, run_case
from tests.conformance import broken_core, broken_lists, broken_promises, broken_updates
from tests.conformance.maps import MemoryMap, PromisingMap

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

THEMES = (broken_core, broken_updates, broken_lists, broken_promises)  # importing them collects their maps
BROKEN = broken_core.BROKEN
IN_PROCESS = [case for case in CASES if not case.needs_reopen]
CORE = [case for case in CASES if case.kind == "core"]


def function_of(case: Case) -> str:
    return case.name.partition("/")[2]


@pytest.mark.parametrize(
    ("made", "cases"), [(MemoryMap, CORE), (PromisingMap, IN_PROCESS)], ids=["core", "promises"]
)
async def test_a_correct_map_passes_each_case_by_itself(made: type[MemoryMap], cases: list[Case]) -> None:
    results = [await run_case(case, Subject(made().handlers())) for case in cases]
    assert [(result.case.name, result.why) for result in results if result.status != "pass"] == []


async def test_all_at_once_on_one_map_that_holds_data_already() -> None:
    subject = Subject(PromisingMap().handlers())
    for _ in range(2):
        results = await run(subject, tuple(IN_PROCESS), at_once=len(IN_PROCESS))
        assert [result.case for result in results] == IN_PROCESS
        assert [result for result in results if result.status != "pass"] == []


@pytest.mark.parametrize(
    ("broken", "name"), [(broken, name) for broken, names in BROKEN.items() for name in names]
)
async def test_a_broken_map_is_caught(broken: type[MemoryMap], name: str) -> None:
    cases = [case for case in CASES if function_of(case) == name]
    assert cases
    for case in cases:
        result = await run_case(case, Subject(broken().handlers()), seconds=1)
        assert result.status == "fail", case.name
        assert result.why
        assert "\n" not in result.why


def test_every_case_catches_some_broken_map() -> None:
    caught = {name for names in BROKEN.values() for name in names}
    assert {function_of(case) for case in IN_PROCESS} == caught


async def test_an_empty_map_makes_every_case_not_applicable() -> None:
    for case in CASES:
        result = await run_case(case, Subject({}))
        assert result.status == "not_applicable", case.name
        assert "no handler for" in result.why, case.name


async def test_a_partial_map_is_tried_as_far_as_it_goes() -> None:
    whole = MemoryMap().handlers()
    results = await run(Subject({name: whole[name] for name in ("message.get", "message.set")}))
    status = {result.case.name: result.status for result in results if result.case.kind == "core"}
    assert status["message/set_then_get"] == "pass"
    assert status["message/returned_record_is_the_callers"] == "pass"
    assert status["message/update_merges"] == "not_applicable"
    assert status["message/kinds_do_not_mix"] == "not_applicable"
    assert status["session/set_then_get"] == "not_applicable"
    assert "fail" not in status.values()


async def test_a_list_alone_has_nothing_to_be_mixed_with() -> None:
    whole = MemoryMap().handlers()
    subject = Subject({name: whole[name] for name in ("message.set", "message.listBySession")})
    (result,) = await run(
        subject, tuple(case for case in CASES if case.name == "message/messages_and_parts_do_not_mix")
    )
    assert (result.status, result.why) == (
        "not_applicable",
        "the map has no part.set and part.listBySession",
    )


async def test_cases_that_start_processes_run_one_at_a_time() -> None:
    """Each process has a pool of connections: four such cases at once are more than a server allows."""
    running: list[bool] = []
    beside: list[int] = []

    async def look(probe: Probe) -> None:
        running.append(True)
        await asyncio.sleep(0.001)
        beside.append(len(running))
        running.pop()

    subject = Subject(MemoryMap().handlers(), Reopen("nowhere:handlers"))
    alone = Case("session/alone", "core", "session", "", (), "", look, needs_reopen=True)
    await run(subject, (alone,) * 4, at_once=4)
    assert beside == [1] * 4
    await run(subject, (replace(alone, needs_reopen=False),) * 4, at_once=2)
    assert max(beside) == 2


def test_cases_have_names_of_their_own_and_say_what_they_protect() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert case.protects.endswith("."), case.name
