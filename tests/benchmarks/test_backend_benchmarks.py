"""The benchmarks of the backends run, and what they compare does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import backend_calls, cluster_nodes, list_gets, list_memory, list_time, list_trips
from benchmarks._lists import Sizes
from benchmarks._raw import UPDATES, message, same_calls, session
from benchmarks._raw_postgres import RawPostgres
from benchmarks._stores import KV_STORES, opened, started
from benchmarks._stores import STORES as MEASURED
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from benchmarks._stores import Pair

pytestmark = pytest.mark.unmeasured

QUICK = tuple(store for store in MEASURED if store != "dynamodb_local")
STORES = (*QUICK, "dynalite")
SMALL = Sizes(sessions=(2, 5), beside=5, others=30)


@pytest.fixture(params=[*STORES, *(KV_STORES if LONG else ["kv+redis"])])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Pair, None]:
    """A backend and its raw client on one store."""
    with started(request.param, tmp_path) as address:
        async with opened(request.param, address) as both:
            yield both


async def test_a_raw_client_returns_what_the_backend_does(pair: Pair) -> None:
    for operation, (raw, ours) in (await same_calls(pair.backend, pair.raw, listed=20)).items():
        for _ in range(20):  # enough updates for Redis to join them
            assert await raw() == swap_side(await ours()), operation


def swap_side(returned: Any) -> Any:
    """Return what a call on the backend's records returned as it would have been on those of the raw client."""
    if isinstance(returned, list):
        return [swap_side(record) for record in returned]
    if isinstance(returned, dict):
        names = ("id", "sessionId")
        return {k: v.replace("ours", "raw") if k in names else v for k, v in returned.items()}
    return returned


async def test_each_reads_what_the_other_wrote(pair: Pair) -> None:
    backend, raw = pair
    await raw.set_session("s", session("s"))
    await raw.set_message("m2", message("m2", "s"))
    await backend["message.set"](id="m1", value=message("m1", "s"))
    await raw.fill([message(f"f{number}", "filled") for number in range(3)])
    await raw.update_message("m1", UPDATES)
    changed = {**message("m1", "s"), **UPDATES}
    assert await backend["session.get"](id="s") == await raw.get_session("s") == session("s")
    assert await backend["message.get"](id="m1") == await raw.get_message("m1") == changed
    listed = await backend["message.listBySession"](session_id="s")
    assert listed == await raw.list_messages("s") == [message("m2", "s"), changed]
    assert len(await backend["message.listBySession"](session_id="filled")) == 3
    await raw.set_message("m2", message("m2", "filled"))
    assert [record["id"] for record in await raw.list_messages("s")] == ["m1"]
    if isinstance(raw, RawPostgres):
        assert await raw.update_locked("s", UPDATES) == {**session("s"), **UPDATES}
        assert await raw.update_locked("missing", UPDATES) is None
    for missing in (raw.get_session("x"), raw.get_message("x"), raw.update_session("x", {})):
        assert await missing is None


async def test_the_benchmark_of_calls_runs(tmp_path: Path) -> None:
    result = await backend_calls.run(tmp_path, STORES, calls=1, rounds=2)
    assert len(result.rows) == 7 * len(STORES) + 1
    assert sum(row.limit is not None for row in result.rows) == 6 * len(STORES)


async def test_the_benchmarks_of_lists_run(tmp_path: Path) -> None:
    for benchmark in ("gets", "time", "memory"):
        (tmp_path / benchmark).mkdir()
    gets = await list_gets.run(tmp_path / "gets", messages=5, rounds=2)
    assert sum(row.limit is not None for row in gets.rows) == 1
    time = await list_time.run(tmp_path / "time", QUICK, sizes=SMALL, rounds=2)
    memory = await list_memory.run(tmp_path / "memory", QUICK, sizes=SMALL)
    for result in (time, memory):
        assert {row.name.partition(":")[0] for row in result.rows} == set(QUICK)
        assert all(row.value > 0 for row in result.rows)


async def test_the_benchmark_of_a_cluster_s_nodes_runs(tmp_path: Path) -> None:
    result = await cluster_nodes.run(tmp_path, nodes=(1, 2), rounds=1, writers=3)
    names = ["1 node", "2 nodes"]
    assert [row.name for row in result.rows] == [*names, *(f"{name}, work of the busiest" for name in names)]
    assert all(row.value > 0 for row in result.rows)


async def test_a_list_is_one_round_trip_or_one_for_each_page(tmp_path: Path) -> None:
    result = await list_trips.run(tmp_path, ("redis", "postgres", "dynalite"), sizes=(1, 2_000))
    assert [row.value for row in result.rows] == [1, 1, 1, 1, 1, 3]  # of DynamoDB, one for each MB
