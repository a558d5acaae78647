"""Tenants apart, ids within their limits, and the order of a session's records: on every backend."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storescope import InvalidRecordError, TenantRequiredError, call_context
from storescope.backends import Backend, open_backend
from tests.backends.hostile import HOSTILE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

EACH_BACKEND = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
runs = itertools.count()


@pytest.fixture
async def shared(backend_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(backend_url) as backend:
        yield backend


@pytest.fixture
async def apart(backend_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(backend_url, tenancy="required") as backend:
        yield backend


async def write_all(backend: Backend, id_: str, session: str, mark: str) -> None:
    for entity in ("session", "message", "part", "sandbox", "setup"):
        await backend[f"{entity}.set"](id=id_, value={"sessionId": session, "mark": mark})


async def read_all(backend: Backend, id_: str, session: str) -> list[Any]:
    found = [
        await backend[f"{entity}.get"](id=id_) for entity in ("session", "message", "part", "sandbox", "setup")
    ]
    for entity in ("message", "part"):
        found += await backend[f"{entity}.listBySession"](session_id=session)
    return found


@EACH_BACKEND
@given(ids=st.lists(HOSTILE, min_size=2, max_size=4, unique=True))
async def test_no_id_reaches_the_record_of_another(shared: Backend, ids: list[str]) -> None:
    run = next(runs)
    mine = [f"{id_}{run}" for id_ in ids]
    for id_ in mine:
        await write_all(shared, id_, f"in {id_}", id_)
    for id_ in mine:
        assert [record["mark"] for record in await read_all(shared, id_, f"in {id_}")] == [id_] * 7


async def test_a_tenant_is_required(apart: Backend) -> None:
    for handler, arguments in (
        ("session.get", {"id": "s"}),
        ("session.set", {"id": "s", "value": {}}),
        ("session.update", {"id": "s", "updates": {}}),
        ("message.listBySession", {"session_id": "s"}),
    ):
        with pytest.raises(TenantRequiredError):
            await apart[handler](**arguments)
    with call_context(tenant="x" * 257), pytest.raises(InvalidRecordError, match="tenant"):
        await apart["session.get"](id="s")


async def test_a_shared_backend_ignores_the_tenant(shared: Backend) -> None:
    with call_context(tenant="acme"):
        await shared["session.set"](id="s", value={"a": 1})
    assert await shared["session.get"](id="s") == {"a": 1}


@pytest.mark.parametrize("id_", ["x" * 257, "é" * 129, "nul\0", "lone\ud800"])
async def test_ids_are_held_to_their_limits(shared: Backend, id_: str) -> None:
    for handler, arguments in (
        ("session.get", {"id": id_}),
        ("session.set", {"id": id_, "value": {}}),
        ("sandbox.update", {"id": id_, "updates": {}}),
        ("message.set", {"id": "m", "value": {"sessionId": id_}}),
        ("message.update", {"id": "m", "updates": {"sessionId": id_}}),
        ("part.listBySession", {"session_id": id_}),
    ):
        with pytest.raises(InvalidRecordError):
            await shared[handler](**arguments)


async def test_the_longest_ids_fit(shared: Backend) -> None:
    for id_ in ("x" * 256, "é" * 128):
        await write_all(shared, id_, id_, "m")
        assert len([record for record in await read_all(shared, id_, id_) if record]) == 7


async def test_a_session_keeps_the_order_of_first_insertion(shared: Backend) -> None:
    async def listed(session: str) -> list[str]:
        return [record["id"] for record in await shared["message.listBySession"](session_id=session)]

    async def put(id_: str, session: str) -> None:
        await shared["message.set"](id=id_, value={"id": id_, "sessionId": session})

    names = [f"m{number}" for number in range(150)]  # more than Redis keeps in its small encoding
    for name in names:
        await put(name, "s")
    await put("m3", "s")
    await shared["message.update"](id="m4", updates={"sessionId": "s", "x": 1})
    assert await listed("s") == names
    await put("m0", "t")
    await shared["message.update"](id="m1", updates={"sessionId": "t"})
    await put("m0", "s")
    await shared["message.update"](id="m1", updates={"sessionId": "s"})
    assert await listed("t") == []
    assert await listed("s") == [*names[2:], "m0", "m1"]
    assert await shared["message.get"](id="m1") == {"id": "m1", "sessionId": "s"}


async def test_many_updates_of_a_message_add_up(shared: Backend) -> None:
    await shared["message.set"](id="m", value={"sessionId": "s"})
    expected: dict[str, Any] = {"sessionId": "s"}
    for number in range(50):
        updates = {
            f"f{number % 7}": number,
            "text": "x" * number * 400,
            "big": 2**70 + number,
            "sessionId": f"s{number % 2}",
        }
        expected |= updates
        assert await shared["message.update"](id="m", updates=updates) == expected
    assert await shared["message.get"](id="m") == expected
    assert await shared["message.listBySession"](session_id="s1") == [expected]
    assert await shared["message.listBySession"](session_id="s0") == []
