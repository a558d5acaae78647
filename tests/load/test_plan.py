"""What a session does follows from its seed alone, whatever the store answers."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import NoOpTracer

from storescope import BackendError, RecordNotFoundError
from storescope.apps.load import _caller
from storescope.apps.load._caller import Caller, EndedError, Setting
from storescope.apps.load._policy import EXCEPTED, MONITORED, READS, RESIDENT, UNLISTED
from storescope.apps.load._session import AgentSession
from storescope.apps.load._sizes import ANSWER, MARKER, PROMPT, TOOL_OUTPUT, Sizes, Texts
from storescope.apps.load._tally import OperationTally, Tally
from storescope.contract import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope import CallContext, Store
    from storescope.apps.load._caller import Storage

HOME, ABROAD = "aws:eu-west-1", "aws:us-east-1"
Made = tuple[str, dict[str, Any], "CallContext | None"]


def setting(storage: Storage, running: Callable[[], bool] = lambda: True, share: float = 0.1) -> Setting:
    return Setting(storage, Tally(), running, share, share, HOME, ABROAD)


async def session(
    name: str, tenant: str = RESIDENT, error: Exception | None = None, share: float = 0.1
) -> list[Made]:
    """Run one session, and return the calls that it makes: at a first attempt, or all of them."""
    made: list[Made] = []

    async def storage(store: Store) -> None:
        made.append((store.operation, store.params, store.context))
        if error is not None:
            raise error

    used = setting(storage, share=share)
    caller = Caller(used, Random(f"{name}/fates"), tenant)
    await AgentSession(caller, Texts(), used.tally, name, "setup").run(NoOpTracer())
    return made


async def test_the_same_seed_does_the_same() -> None:
    assert await session("load-1-0-0") == await session("load-1-0-0")
    assert await session("load-1-0-0") != await session("load-2-0-0")


async def test_more_faults_change_no_plan() -> None:
    calm, wild = [
        [call[:2] for call in await session("load-1-0-0", share=share) if call[0] != "part.set"]
        for share in (0.0, 0.4)
    ]
    assert calm == wild


@pytest.mark.parametrize("error", [BackendError("down", retryable=True), ValueError("a driver's own")])
async def test_failed_calls_are_made_again_with_their_number(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_caller, "_PAUSE_SECONDS", 0.0)
    made = await session("load-1-0-0", error=error, share=0.0)
    attempts = [context.attempt for operation, _, context in made if context and operation == "session.set"]
    assert attempts == [1, 2, 3]


async def test_a_missing_record_is_an_answer() -> None:
    made = await session("load-1-0-0", error=RecordNotFoundError("session", "x"), share=0.0)
    assert {context.attempt for _, _, context in made if context} == {1}


@pytest.mark.parametrize("tenant", [RESIDENT, MONITORED, EXCEPTED])
async def test_only_reads_of_two_tenants_come_from_abroad(tenant: str) -> None:
    calls = [call for number in range(10) for call in await session(f"load-1-0-{number}", tenant, share=0.0)]
    abroad = [operation for operation, _, context in calls if context and context.region == ABROAD]
    assert bool(abroad) == (tenant != RESIDENT)
    assert set(abroad) <= set(READS)


async def test_denials_are_for_two_reasons() -> None:
    calls = await session("load-1-0-0", share=0.4)
    contexts = [context for _, _, context in calls if context]
    assert any(context.region == ABROAD for context in contexts)
    assert any(context.tenant == UNLISTED for context in contexts)


async def test_every_operation_is_made() -> None:
    made = {operation for number in range(5) for operation, _, _ in await session(f"load-1-0-{number}")}
    assert made == set(OPERATIONS)


async def test_nothing_is_called_after_the_end() -> None:
    async def storage(_: Store) -> None:
        raise AssertionError("it was called")

    caller = Caller(setting(storage, running=lambda: False), Random(1), RESIDENT)
    with pytest.raises(EndedError):
        await caller.call("session.get", id="s1")
    with pytest.raises(EndedError):
        await caller.together(caller.call("session.get", id="s1"), caller.call("session.get", id="s2"))
    await caller.stopped("session.get", id="s1")


@pytest.mark.parametrize("sizes", [PROMPT, ANSWER, TOOL_OUTPUT])
def test_sizes_have_the_median_and_the_percentile_that_they_name(sizes: Sizes) -> None:
    random = Random(5)
    drawn = sorted(sizes.draw(random) for _ in range(40_000))
    assert drawn[20_000] == pytest.approx(sizes.median, rel=0.05)
    assert drawn[39_600] == pytest.approx(sizes.p99, rel=0.1)
    assert drawn[-1] <= sizes.most


def test_means_are_those_of_their_source() -> None:
    random = Random(5)
    means = [sum(sizes.draw(random) for _ in range(40_000)) / 40_000 for sizes in (PROMPT, ANSWER)]
    assert means == pytest.approx([69.5 * 4, 214.5 * 4], rel=0.1)


def test_texts_have_the_size_that_was_drawn_and_say_what_they_are() -> None:
    texts = Texts()
    drawn = [texts.draw(Random(number), TOOL_OUTPUT) for number in range(500)]
    assert [len(text) for text in drawn] == [TOOL_OUTPUT.draw(Random(number)) for number in range(500)]
    assert all(text.startswith(MARKER) for text in drawn if len(text) > len(MARKER))


def test_percentiles_are_right_to_two_percent() -> None:
    tally = Tally()
    for milliseconds in range(1, 1_001):
        tally.add("session.get", "ok", milliseconds / 1_000)
        tally.add("session.get", "error", 60.0)
    counted = tally.operations["session.get"]
    assert counted.percentile(0.5) == pytest.approx(500, rel=0.03)
    assert counted.percentile(0.99) == pytest.approx(990, rel=0.03)
    assert OperationTally().percentile(0.5) is None
