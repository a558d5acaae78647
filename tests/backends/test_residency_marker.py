"""The marker in a store: found again at the place that it was written for, and what disagrees is a conflict."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, ResidencyError, call_context, wrap
from storescope.backends import Backend, Marker, open_backend
from storescope.backends._identity import Identity
from storescope.middleware import ResidencyPolicy, region_guard
from tests.backends.scans import scan_all
from tests.region.policies import EU, US, sound
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope.backends._tables import MarkerStore

PASSWORD = "hunter2-canary"


DURABLE = ["local", "postgres", "redis", "redis_cluster"]


@pytest.fixture(params=[*DURABLE, "dynamodb"] if LONG else DURABLE)
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return f"local:{tmp_path / 'store'}?busy_timeout=5"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def backend(durable_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(durable_url) as opened:
        yield opened


def store_of(backend: Backend) -> MarkerStore:
    return backend._engine.marker


async def region_at(url: str, **options: Any) -> tuple[str | None, str]:
    async with open_backend(url, **options) as opened:
        return opened.info.region, opened.info.region_confidence


async def refusal(url: str, **options: Any) -> str:
    with pytest.raises(BackendError) as caught:
        await open_backend(url, **options)
    assert not caught.value.retryable
    return str(caught.value)


async def test_a_marked_store_is_probed(durable_url: str, backend: Backend) -> None:
    assert await backend.admin.marker() is None
    marked = await backend.admin.mark(EU)
    assert await backend.admin.marker() == marked
    assert marked.region == EU
    assert await region_at(durable_url, probe=True) == (EU, "probed")
    assert await region_at(durable_url, probe=True, region=EU) == (EU, "probed")
    assert await region_at(f"{durable_url}&probe=true") == (EU, "probed")


async def test_a_marker_that_nobody_asks_for_says_nothing(durable_url: str, backend: Backend) -> None:
    await backend.admin.mark(EU)
    assert await region_at(durable_url) == (None, "declared")
    assert await region_at(durable_url, region=US) == (US, "declared")


async def test_a_store_without_a_marker_is_refused_and_says_how_to_write_one(durable_url: str) -> None:
    message = await refusal(durable_url, probe=True)
    assert "storescope residency mark URL --region REGION" in message
    assert "app-secret" not in message


async def test_a_region_that_the_marker_does_not_know_is_a_conflict(
    durable_url: str, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    await backend.admin.mark(EU)
    with caplog.at_level(logging.WARNING, "storescope"):
        assert await region_at(durable_url, probe=True, region=US) == (US, "conflict")
    (record,) = caplog.records
    assert EU in record.getMessage()
    assert US in record.getMessage()
    assert "app-secret" not in caplog.text


async def test_to_mark_again_with_the_same_writes_nothing(backend: Backend) -> None:
    await backend.admin.mark(EU)
    before = await store_of(backend).read()
    await backend.admin.mark(EU)
    await backend.admin.mark(EU, replace=True)
    assert await store_of(backend).read() == before


async def test_another_marker_is_replaced_only_if_asked(durable_url: str, backend: Backend) -> None:
    await backend.admin.mark(EU)
    with pytest.raises(BackendError, match="--replace") as caught:
        await backend.admin.mark(US)
    assert EU in str(caught.value)
    assert await region_at(durable_url, probe=True) == (EU, "probed")
    await backend.admin.mark(US, replace=True)
    assert await region_at(durable_url, probe=True) == (US, "probed")


async def test_a_marker_of_another_place_is_a_conflict(
    durable_url: str, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the marker is bound to: each of it has to be the same."""
    marker = await backend.admin.mark(EU)
    bound = [name for name, value in asdict(marker.identity).items() if value]
    more = {"sqlite": {"file"}, "postgresql": {"cluster"}, "redis": set[str](), "aws.dynamodb": {"cluster"}}[
        backend.info.system
    ]
    assert set(bound) == {"place", "machine"} | more
    for field in bound:
        caplog.clear()
        there = replace(marker, identity=replace(marker.identity, **{field: "elsewhere"}))
        await store_of(backend).write(there.to_text(), replace=True)
        with caplog.at_level(logging.WARNING, "storescope"):
            assert await region_at(durable_url, probe=True, region=EU) == (EU, "conflict")
        (record,) = caplog.records
        assert "elsewhere" in record.getMessage()
        with pytest.raises(BackendError, match="elsewhere"):
            await backend.admin.mark(EU)
        await backend.admin.mark(EU, replace=True)
        assert await region_at(durable_url, probe=True) == (EU, "probed")


async def test_a_marker_without_its_machine_does_not_pass(durable_url: str, backend: Backend) -> None:
    """All servers of the tests are on this machine: only Postgres' cluster id may be missing."""
    here = json.loads((await backend.admin.mark(EU)).to_text())
    del here["machine"]
    await store_of(backend).write(json.dumps(here), replace=True)
    assert (await region_at(durable_url, probe=True))[1] == "conflict"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({"schema": "residency-marker/2", "region": EU, "place": "p"}),
        json.dumps({"schema": "residency-marker/1", "region": EU}),
        json.dumps({"schema": "residency-marker/1", "region": EU, "place": "p", "more": "m"}),
        json.dumps({"schema": "residency-marker/1", "region": EU, "place": 7}),
        json.dumps({"schema": "residency-marker/1", "region": EU, "place": f"two\nlines {PASSWORD}"}),
        json.dumps({"schema": "residency-marker/1", "region": EU, "place": "p" * 5000}),
    ],
    ids=range(11),
)
async def test_what_is_no_marker_is_refused_and_not_repeated(
    durable_url: str, backend: Backend, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store_of(backend).write(text, replace=True)
    assert PASSWORD not in (said := await refusal(durable_url, probe=True))
    assert "--replace" in said
    with pytest.raises(BackendError):
        await backend.admin.marker()
    with pytest.raises(BackendError):
        await backend.admin.mark(EU)
    await backend.admin.mark(EU, replace=True)
    assert await region_at(durable_url, probe=True) == (EU, "probed")
    assert not caplog.records


@pytest.mark.parametrize("region", ["", "aws: eu", "aws:\neu", "x" * 5000, 7])
async def test_a_region_that_no_policy_could_name_is_not_written(backend: Backend, region: Any) -> None:
    with pytest.raises(BackendError, match="PROVIDER:REGION"):
        await backend.admin.mark(region)
    assert await backend.admin.marker() is None


async def test_memory_has_no_marker(caplog: pytest.LogCaptureFixture) -> None:
    assert "memory: holds no residency marker" in await refusal("memory:", probe=True)
    async with open_backend("memory:") as backend:
        for attempt in (backend.admin.mark(EU), backend.admin.marker(), store_of(backend).write("", replace=True)):
            with pytest.raises(BackendError, match="memory: holds no"):
                await attempt


async def test_no_scan_and_no_tenant_meets_the_marker(durable_url: str, backend: Backend) -> None:
    await backend.admin.mark(EU)
    for entity in ("session", "message", "part", "sandbox", "setup"):
        assert await scan_all(backend, entity) == []
        await backend[f"{entity}.set"](id="$residency", value={"sessionId": "$residency"})
        assert [record.id for record in await scan_all(backend, entity)] == ["$residency"]
        assert await backend.admin.purge(entity, "$residency")
    async with open_backend(durable_url, tenancy="required") as apart:
        with call_context(tenant="$residency"):
            for entity in ("session", "setup"):
                await apart[f"{entity}.set"](id="$residency", value={})
                assert len(await scan_all(apart, entity)) == 1
    assert await region_at(durable_url, probe=True) == (EU, "probed")


async def test_on_redis_the_marker_stays_out_of_a_scan_of_every_tenant(redis_url: str) -> None:
    async with open_backend(redis_url, tenancy="required") as backend:
        await backend.admin.mark(EU)
        for entity in ("session", "message", "part", "sandbox", "setup"):
            assert await scan_all(backend, entity, every_tenant=True) == []


MARK = """
import asyncio, sys
from storescope import BackendError
from storescope.backends import open_backend
async def main(url, region):
    async with open_backend(url) as backend:
        print("open", flush=True)
        sys.stdin.readline()
        try:
            await backend.admin.mark(region)
        except BackendError as error:
            assert "--replace" in str(error), error
            print("refused")
        else:
            print("marked")
asyncio.run(main(*sys.argv[1:]))
"""


async def test_of_processes_that_mark_at_once_one_does(durable_url: str, backend: Backend) -> None:
    regions = [f"aws:r-{number}" for number in range(4)]

    def race() -> list[str]:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", MARK, durable_url, region],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for region in regions
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [process.communicate(timeout=60)[0].strip() for process in processes]

    said = await asyncio.to_thread(race)
    assert sorted(said) == ["marked", "refused", "refused", "refused"]
    marker = await backend.admin.marker()
    assert marker is not None
    assert marker.region == regions[said.index("marked")]


async def test_a_failed_probe_leaves_nothing_open(durable_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_backend(durable_url) as first:
        kind = type(first._engine)
    closed: list[bool] = []
    close = kind.aclose

    async def aclose(engine: Any) -> None:
        closed.append(True)
        await close(engine)

    monkeypatch.setattr(kind, "aclose", aclose)
    await refusal(durable_url, probe=True)
    assert closed == [True]


@pytest.mark.parametrize(("region", "probe", "allowed"), [(EU, False, False), (EU, True, True), (US, True, False)])
async def test_a_guard_that_asks_for_probed_lets_through_only_what_the_marker_says(
    durable_url: str, backend: Backend, region: str, *, probe: bool, allowed: bool
) -> None:
    await backend.admin.mark(EU)
    everywhere = sound(min_confidence="probed", tenants={"acme": "anywhere"}, exceptions=[])
    everywhere["rules"] = {"anywhere": {"store": ["eu", "us"], "access": ["eu", "us"], "home": EU}}
    guard = region_guard(ResidencyPolicy.from_dict(everywhere), caller_region=EU)
    async with open_backend(durable_url, region=region, probe=probe) as opened:
        handlers = wrap(opened, guard)
        with call_context(tenant="acme"):
            if allowed:
                await handlers["session.set"](id="s", value={})
                return
            with pytest.raises(ResidencyError):
                await handlers["session.set"](id="s", value={})
            assert await opened["session.get"](id="s") is None


def test_a_cluster_id_counts_only_if_both_know_it() -> None:
    knows = Identity("postgresql://db1:5432/agents", cluster="1")
    assert not knows.difference(Identity("postgresql://db1:5432/agents"))
    assert not Identity("postgresql://db1:5432/agents").difference(knows)
    assert knows.difference(Identity("postgresql://db1:5432/agents", cluster="2"))


def test_what_is_stored_is_read_back() -> None:
    for marker in (
        Marker(EU, Identity("redis://db1:6379/0")),
        Marker(EU, Identity("local:/srv/ü", machine="m", file="1:2", cluster="c")),
    ):
        assert Marker.from_text(marker.to_text()) == marker
