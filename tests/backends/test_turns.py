"""Turns: so many at once, in order, each for so long; nothing is lost when a waiting call is cancelled."""

from __future__ import annotations

import asyncio
import time

import pytest

from storescope.backends._turns import Turn, Turns
from storescope.reports import BackendReport


def turns(limit: int = 1, seconds: float = 5.0) -> Turns:
    return Turns(limit, seconds, BackendReport())


async def call(of: Turns, seconds: float = 0.0) -> None:
    with Turn(of) as turn:
        if turn.waits:
            await turn.comes()
        await asyncio.sleep(seconds)


async def test_no_more_go_on_than_may_and_in_order() -> None:
    made = turns(limit=2)
    running: list[int] = []
    order: list[int] = []

    async def numbered(number: int) -> None:
        with Turn(made) as turn:
            if turn.waits:
                await turn.comes()
            order.append(number)
            running.append(number)
            assert len(running) <= 2
            await asyncio.sleep(0.001)
            running.remove(number)

    await asyncio.gather(*(numbered(number) for number in range(20)))
    assert order == list(range(20))
    assert made.free == 2
    assert not made.ends


async def test_a_call_that_takes_too_long_is_cancelled_wherever_it_is() -> None:
    made = turns(seconds=0.05)
    begun = time.monotonic()
    ends = await asyncio.gather(*(call(made, 5) for _ in range(3)), return_exceptions=True)  # two of them wait
    assert [type(end) for end in ends] == [TimeoutError] * 3
    assert 0.04 < time.monotonic() - begun < 4
    assert made.free == 1
    await call(made)


async def test_each_has_its_time_from_its_own_beginning() -> None:
    made = turns(limit=2, seconds=0.2)
    first = asyncio.create_task(call(made, 60))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        await call(made, 60)
    assert time.monotonic() - begun > 0.19
    with pytest.raises(TimeoutError):
        await first


async def test_after_a_pause_there_is_time_again() -> None:
    made = turns(seconds=0.05)
    await call(made)
    async with asyncio.timeout(10):
        while made.timer is not None:  # noqa: ASYNC110 (nobody is watched then; it sets no event)
            await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        await call(made, 5)


async def test_a_cancelled_call_gives_its_turn_to_the_next() -> None:
    made = turns()
    running = asyncio.create_task(call(made, 5))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(call(made)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    running.cancel()
    ends = await asyncio.gather(running, *waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, asyncio.CancelledError, type(None), type(None)]
    assert made.free == 1


async def test_a_turn_that_comes_with_a_cancellation_is_passed_on() -> None:
    made = turns()
    running = asyncio.create_task(call(made, 0.01))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(call(made)) for _ in range(2)]
    await running  # it has just handed its turn to the first, which has not run yet
    waiting[0].cancel()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, type(None)]
    assert made.free == 1


async def test_a_callers_cancellation_and_its_own_time_out_are_no_time_out_of_ours() -> None:
    made = turns()
    task = asyncio.create_task(call(made, 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await call(made, 5)
    assert made.free == 1


async def test_a_caller_who_cancels_at_the_same_moment_is_not_told_of_a_time_out() -> None:
    made = turns(seconds=0.01)
    task = asyncio.create_task(call(made, 5))
    await asyncio.sleep(0)
    time.sleep(0.02)  # noqa: ASYNC251 (so that both come in one round of the loop)
    asyncio.get_running_loop().call_at(0, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_out_leaves_the_task_as_it_was() -> None:
    made = turns(seconds=0.01)
    with pytest.raises(TimeoutError):
        await call(made, 5)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


def test_another_event_loop_has_its_own_timer() -> None:
    made = turns(seconds=0.05)
    asyncio.run(call(made))  # its timer is never called: the loop is closed

    async def too_long() -> None:
        with pytest.raises(TimeoutError):
            await call(made, 5)

    asyncio.run(too_long())


def test_outside_a_task_it_says_so() -> None:
    async def enter_outside() -> None:
        failed = asyncio.get_running_loop().create_future()

        def enter() -> None:
            try:
                with Turn(turns()):
                    failed.set_result(None)
            except RuntimeError as error:
                failed.set_result(error)

        asyncio.get_running_loop().call_soon(enter)
        assert isinstance(await failed, RuntimeError)

    asyncio.run(enter_outside())


async def test_those_that_wait_are_counted() -> None:
    report = BackendReport()
    made = Turns(1, 5.0, report)
    running = [asyncio.create_task(call(made, 0.02)) for _ in range(3)]
    await asyncio.sleep(0.001)
    assert report._counts["connections_waiting"] == 2
    await asyncio.gather(*running)
    assert report._counts["connections_waiting"] == 0
