"""`.admin`: a scan misses nothing that is there throughout, a purge leaves nothing behind, tenants stay apart."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from storescope import (
    BackendError,
    InvalidRecordError,
    RecordNotFoundError,
    TenantRequiredError,
    UnsupportedOperationError,
    call_context,
)
from storescope.backends import Backend, open_backend
from tests.backends.scans import scan_all

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.servers import RedisServer

ENTITIES = ("session", "message", "part", "sandbox", "setup")
ODD_IDS = ("a", "a:b", "*", "é" * 128, "%", "x" * 256, "message:", "[a-z]", "\n", " ")


@pytest.fixture
async def backend(backend_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(backend_url) as opened:
        yield opened


@pytest.fixture
async def apart(operator_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(operator_url, tenancy="required") as opened:
        yield opened


async def fill(backend: Backend, entity: str, ids: tuple[str, ...] | list[str]) -> None:
    for id_ in ids:
        await backend[f"{entity}.set"](id=id_, value={"sessionId": "s", "mark": id_})


@pytest.mark.parametrize("entity", ENTITIES)
async def test_a_scan_finds_each_record_of_its_entity_once_whatever_its_id(backend: Backend, entity: str) -> None:
    for other in ENTITIES:
        await fill(backend, other, ODD_IDS)
    for limit in (1, 3, len(ODD_IDS), 1000):
        found = await scan_all(backend, entity, limit=limit)
        assert sorted(record.id for record in found) == sorted(ODD_IDS)
        for tenant, id_, record in found:
            assert (tenant, record) == ("", {"sessionId": "s", "mark": id_})


@pytest.mark.parametrize("entity", ENTITIES)
async def test_an_empty_store_is_scanned_to_its_end(backend: Backend, entity: str) -> None:
    assert await backend.admin.scan(entity) == ([], None)


async def test_a_scan_beside_writes_misses_nothing_that_is_there_throughout(backend: Backend) -> None:
    """Records are updated and moved between sessions, others come and go."""
    there = [f"m{number}" for number in range(120)]
    await fill(backend, "message", there)
    scanning = True

    async def write(first: int) -> None:
        number = first
        while scanning:
            number += 2
            id_ = there[number % len(there)]
            await backend["message.set"](id=id_, value={"sessionId": f"t{number % 5}", "mark": id_})
            await backend["message.update"](id=id_, updates={"sessionId": f"u{number % 3}"})
            await fill(backend, "message", [f"new{number}"])
            await backend.admin.purge("message", f"new{number}")

    writers = [asyncio.create_task(write(first)) for first in range(2)]
    for _ in range(5):
        found = {record.id: record.record for record in await scan_all(backend, "message", limit=7)}
        assert found.keys() >= set(there)
        assert all(record["mark"] == id_ for id_, record in found.items())
    scanning = False
    await asyncio.gather(*writers)
    assert sorted(record.id for record in await scan_all(backend, "message")) == sorted(there)


@pytest.mark.parametrize("entity", ENTITIES)
async def test_fields_are_merged_into_any_record_and_into_none_that_is_not_there(
    backend: Backend, entity: str
) -> None:
    await fill(backend, entity, ["a", "b"])
    assert await backend.admin.merge(entity, "a", {"more": [1]})
    assert not await backend.admin.merge(entity, "none", {"more": [1]})
    assert await backend[f"{entity}.get"](id="a") == {"sessionId": "s", "mark": "a", "more": [1]}
    assert await backend[f"{entity}.get"](id="none") is None
    assert sorted(record.id for record in await scan_all(backend, entity)) == ["a", "b"]
    if entity in {"message", "part"}:
        listed = await backend[f"{entity}.listBySession"](session_id="s")
        assert [record["mark"] for record in listed] == ["a", "b"]


@pytest.mark.parametrize("entity", ENTITIES)
async def test_a_purged_record_is_gone_from_everywhere(backend: Backend, entity: str) -> None:
    await fill(backend, entity, ODD_IDS)
    for number, id_ in enumerate(ODD_IDS):
        assert await backend.admin.purge(entity, id_)
        assert not await backend.admin.purge(entity, id_)
        assert await backend[f"{entity}.get"](id=id_) is None
        left = list(ODD_IDS[number + 1 :])
        assert sorted(record.id for record in await scan_all(backend, entity)) == sorted(left)
        if entity in {"message", "part"}:
            listed = await backend[f"{entity}.listBySession"](session_id="s")
            assert [record["mark"] for record in listed] == left
        if f"{entity}.update" in backend:
            with pytest.raises(RecordNotFoundError):
                await backend[f"{entity}.update"](id=id_, updates={"a": 1})


async def test_a_record_that_comes_back_after_a_purge_goes_last(backend: Backend) -> None:
    await fill(backend, "message", ["a", "b", "c"])
    await backend.admin.purge("message", "a")
    await fill(backend, "message", ["a"])
    listed = await backend["message.listBySession"](session_id="s")
    assert [record["mark"] for record in listed] == ["b", "c", "a"]


async def test_a_purge_beside_updates_leaves_nothing_half(backend: Backend) -> None:
    for number in range(10):
        await fill(backend, "message", ["m"])
        updates = (backend["message.update"](id="m", updates={"sessionId": f"t{n}"}) for n in range(5))
        await asyncio.gather(*updates, backend.admin.purge("message", "m"), return_exceptions=True)
        sessions = ["s", *(f"t{n}" for n in range(5))]
        listed = [await backend["message.listBySession"](session_id=session) for session in sessions]
        assert (await backend["message.get"](id="m"), listed) == (None, [[]] * 6), number


async def test_a_scan_and_a_purge_stay_within_the_tenant(apart: Backend) -> None:
    tenants = ("acme", "acme:x", "acme%3Ax", "*", "a")
    for tenant in tenants:
        with call_context(tenant=tenant):
            for entity in ENTITIES:
                await apart[f"{entity}.set"](id="same", value={"sessionId": "s", "mark": tenant})
    for tenant in tenants:
        with call_context(tenant=tenant):
            for entity in ENTITIES:
                (found,) = await scan_all(apart, entity)
                assert found == (tenant, "same", {"sessionId": "s", "mark": tenant})
    with call_context(tenant="acme"):
        for entity in ENTITIES:
            assert await apart.admin.purge(entity, "same")
    for entity in ENTITIES:
        found_all = await scan_all(apart, entity, every_tenant=True, limit=2)
        assert sorted(record.tenant for record in found_all) == sorted(tenants[1:])
        assert all(record.record["mark"] == record.tenant for record in found_all)


async def test_every_tenant_is_also_those_who_share(apart: Backend, operator_url: str) -> None:
    with call_context(tenant="acme"):
        await fill(apart, "session", ["a"])
    if operator_url in {"memory:", "kv+memory:"}:  # each is a store of its own
        return
    async with open_backend(operator_url) as shared:
        await fill(shared, "session", ["b"])
        assert [(record.tenant, record.id) for record in await scan_all(shared, "session")] == [("", "b")]
        for backend in (shared, apart):
            found = await scan_all(backend, "session", every_tenant=True, limit=1)
            assert sorted((record.tenant, record.id) for record in found) == [("", "b"), ("acme", "a")]


async def test_a_tenant_is_required_where_tenants_are_apart(apart: Backend) -> None:
    with pytest.raises(TenantRequiredError):
        await apart.admin.scan("session")
    with pytest.raises(TenantRequiredError):
        await apart.admin.purge("session", "s")


async def test_postgres_says_what_it_cannot_show(postgres_url: str) -> None:
    """The application's role sees one tenant at a time: the scan must not report the rest as missing."""
    async with open_backend(postgres_url, tenancy="required") as backend:
        with call_context(tenant="acme"):
            await fill(backend, "session", ["s"])
            assert len(await scan_all(backend, "session")) == 1
        with pytest.raises(BackendError, match="BYPASSRLS"):
            await backend.admin.scan("session", every_tenant=True)


async def test_what_cannot_be_scanned_or_purged_is_refused(backend: Backend) -> None:
    await fill(backend, "session", ["a", "b"])
    for unknown in ("sessions", "", "aclose", "Session"):
        with pytest.raises(UnsupportedOperationError, match="session, message"):
            await backend.admin.scan(unknown)
        with pytest.raises(UnsupportedOperationError):
            await backend.admin.purge(unknown, "a")
    limits: tuple[Any, ...] = (0, -1, True, 2.5, "3")
    for limit in limits:
        with pytest.raises(InvalidRecordError, match="limit"):
            await backend.admin.scan("session", limit=limit)
    ids: tuple[Any, ...] = ("", None, 7, "x" * 257, "nul\0", "\ud800")
    for id_ in ids:
        with pytest.raises(InvalidRecordError):
            await backend.admin.purge("session", id_)
    _, cursor = await backend.admin.scan("session", limit=1)
    with pytest.raises(InvalidRecordError, match="cursor"):
        await backend.admin.scan("message", cursor or "session:")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.text(alphabet="0123456789"), st.binary().map(lambda raw: raw.hex())))
async def test_any_text_as_a_cursor_is_refused_or_read(backend: Backend, text: str) -> None:
    for cursor in (text, f"session:{text}"):
        with suppress(InvalidRecordError):
            assert (await backend.admin.scan("session", cursor)).records == []


async def test_a_redis_that_was_purged_of_everything_holds_no_key(redis_server: RedisServer) -> None:
    async with open_backend(redis_server.url) as backend, Redis(port=redis_server.port, protocol=2) as raw:
        for entity in ENTITIES:
            await fill(backend, entity, ODD_IDS)
            for id_ in ODD_IDS:
                await backend.admin.purge(entity, id_)
        assert await raw.keys("*") == []


async def test_a_full_redis_can_be_purged(redis_server: RedisServer) -> None:
    async with open_backend(redis_server.url) as backend, Redis(port=redis_server.port, protocol=2) as raw:
        for entity in ENTITIES:
            await fill(backend, entity, ["a"])
        await raw.config_set("maxmemory", "1")
        for entity in ENTITIES:
            assert await backend.admin.purge(entity, "a")
