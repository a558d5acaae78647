"""`open_backend("kv+...")`: the suite, tenants, processes, counts, and what an operator may do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from storescope import call_context
from storescope.backends import open_backend
from storescope.conformance import CASES, Reopen, Subject, run
from tests.backends.test_concurrency import EACH, PROCESSES, release_together, start
from tests.conformance import wrapping
from tests.rounds import LONG

if TYPE_CHECKING:
    from storescope.conformance import Case


def shared(url: str) -> bool:
    return not url.startswith("kv+memory:")


def cases(*, slow: bool) -> tuple[Case, ...]:
    """Return the cases to run; what starts processes, or takes long on a slow store, waits for make test-long."""
    if LONG:
        return CASES
    if slow:
        return tuple(case for case in CASES if case.kind == "core" and "concurrent" not in case.name)
    return tuple(case for case in CASES if not case.needs_reopen)


@pytest.mark.unmeasured
async def test_the_suite_passes_under_all_layers(kv_backend_url: str) -> None:
    """Bare, and under each layer alone, it runs in make test-long (tests/conformance)."""
    reopen = (
        Reopen(f"{wrapping.__file__}:open_wrapped", (kv_backend_url, "all")) if shared(kv_backend_url) else None
    )
    async with wrapping.open_wrapped(kv_backend_url, "all") as handlers:
        results = await run(Subject(handlers, reopen), cases(slow="s3:" in kv_backend_url))
    wrong = [result for result in results if result.status != "pass"]
    assert not [f"{result.case.name}: {result.why}" for result in wrong if reopen or not result.case.needs_reopen]


@pytest.mark.unmeasured
async def test_fifty_updates_from_several_processes_survive(kv_backend_url: str) -> None:
    """Each writes only over the version that it has read."""
    if not shared(kv_backend_url):
        return
    async with open_backend(kv_backend_url) as backend:
        await backend["message.set"](id="r", value={"sessionId": "s"})
    await asyncio.to_thread(release_together, start(kv_backend_url, "message"))
    async with open_backend(kv_backend_url) as backend:
        expected = {f"f{number}": number for number in range(PROCESSES * EACH)}
        assert await backend["message.listBySession"](session_id="s") == [{"sessionId": "s", **expected}]


async def test_tenants_are_apart_and_an_operator_sees_them_all(kv_backend_url: str) -> None:
    names = ["acme", "acme/x", "é" * 128, "../acme", "~acme"]
    async with open_backend(kv_backend_url, tenancy="required") as backend:
        for tenant in names:
            with call_context(tenant=tenant):
                for id_ in ("m", "x/m", "." * 256):
                    await backend["message.set"](id=id_, value={"sessionId": "s", "of": tenant})
        for tenant in names:
            with call_context(tenant=tenant):
                listed = await backend["message.listBySession"](session_id="s")
                assert [record["of"] for record in listed] == [tenant] * 3
                assert len((await backend.admin.scan("message")).records) == 3
        found: list[tuple[str, str]] = []
        cursor: str | None = None
        while True:
            page = await backend.admin.scan("message", cursor, limit=4, every_tenant=True)
            found += [(record.tenant, record.id) for record in page.records]
            assert all(record.record["of"] == record.tenant for record in page.records)
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(found) == sorted((tenant, id_) for tenant in names for id_ in ("m", "x/m", "." * 256))
        with call_context(tenant="acme"):
            assert await backend.admin.purge("message", "x/m")
            assert not await backend.admin.purge("message", "x/m")
            assert len(await backend["message.listBySession"](session_id="s")) == 2


async def test_the_marker_tells_the_place(kv_backend_url: str) -> None:
    """A residency marker lies beside the records, and no scan finds it."""
    if not shared(kv_backend_url):
        return
    async with open_backend(kv_backend_url) as backend:
        await backend.admin.mark("aws:eu-west-1")
        assert (await backend.admin.scan("session")).records == []
    async with open_backend(kv_backend_url, probe=True) as backend:
        assert (backend.info.region, backend.info.region_confidence) == ("aws:eu-west-1", "probed")
    assert "secret" not in repr(backend)


async def test_what_a_purge_leaves(kv_backend_url: str) -> None:
    async with open_backend(kv_backend_url) as backend:
        for entity in ("session", "message"):
            await backend[f"{entity}.set"](id="r", value={"sessionId": "s"})
            assert await backend.admin.purge(entity, "r")
        engine = backend._engine._engine  # type: ignore[attr-defined] # the KV engine below
        assert (await engine.list("")).keys == []
