"""No tenant reads, lists, updates, overwrites, scans or deletes what is another's, whatever both are called.

Random calls of several tenants on the same ids are compared with a model that keeps a dict for each tenant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storescope import OPERATIONS, RecordNotFoundError, call_context
from storescope.backends import Backend, open_backend
from tests.backends.hostile import names
from tests.backends.scans import scan_all
from tests.rounds import SCALE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

EXAMPLES = 15 * SCALE if SCALE > 1 else 8
ENTITIES = ("session", "message", "part", "sandbox", "setup")
LISTED = ("message", "part")
VERBS = st.sampled_from(["set", "set", "set", "update", "purge"])
STEPS = st.lists(
    st.tuples(VERBS, st.sampled_from(ENTITIES), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    min_size=4,
    max_size=30,
)


@dataclass
class Model:
    """What each tenant must see."""

    tenants: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)

    def of(self, tenant: str) -> dict[tuple[str, str], dict[str, Any]]:
        return self.tenants.setdefault(tenant, {})

    def put(self, tenant: str, key: tuple[str, str], record: dict[str, Any]) -> None:
        """Insert or replace; a dict keeps the order of insertion, and a move starts anew."""
        mine = self.of(tenant)
        if key in mine and mine[key]["sessionId"] != record["sessionId"]:
            del mine[key]
        mine[key] = record

    def listed(self, tenant: str, entity: str, session: str) -> list[dict[str, Any]]:
        mine = self.of(tenant).items()
        return [record for key, record in mine if key[0] == entity and record["sessionId"] == session]


@pytest.fixture
async def apart(backend_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(backend_url, tenancy="required") as backend:
        yield backend


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tenants=names(4), ids=names(3), sessions=names(3), steps=STEPS)
async def test_tenants_are_apart(
    apart: Backend, tenants: list[str], ids: list[str], sessions: list[str], steps: list[Any]
) -> None:
    model = Model()
    try:
        for number, (verb, entity, tenant, id_, session) in enumerate(steps):
            names_ = tenants[tenant % len(tenants)], ids[id_ % len(ids)], sessions[session % len(sessions)]
            await _step(apart, model, verb, entity, names_, number)
        for tenant_ in tenants:
            with call_context(tenant=tenant_):
                await _compare(apart, model, tenant_, ids, sessions)
    finally:
        await _remove_all(apart, tenants, ids)


async def _step(
    apart: Backend, model: Model, verb: str, entity: str, names_: tuple[str, str, str], number: int
) -> None:
    tenant, id_, session = names_
    key = (entity, id_)
    with call_context(tenant=tenant):
        if verb == "purge":
            assert await apart.admin.purge(entity, id_) == (model.of(tenant).pop(key, None) is not None)
        elif verb == "set" or f"{entity}.update" not in OPERATIONS:
            record = {"sessionId": session, "by": tenant, "step": number}
            await apart[f"{entity}.set"](id=id_, value=record)
            model.put(tenant, key, record)
        elif key in model.of(tenant):
            updates = {"sessionId": session, "updated": number}
            model.put(tenant, key, {**model.of(tenant)[key], **updates})
            assert await apart[f"{entity}.update"](id=id_, updates=updates) == model.of(tenant)[key]
        else:
            with pytest.raises(RecordNotFoundError):
                await apart[f"{entity}.update"](id=id_, updates={"sessionId": session, "by": tenant})


async def _compare(apart: Backend, model: Model, tenant: str, ids: list[str], sessions: list[str]) -> None:
    for entity in ENTITIES:
        for id_ in ids:
            assert await apart[f"{entity}.get"](id=id_) == model.of(tenant).get((entity, id_))
        records = await scan_all(apart, entity)
        found = {(entity, record.id): record.record for record in records if record.tenant == tenant}
        assert len(found) == len(records)
        assert found == {key: record for key, record in model.of(tenant).items() if key[0] == entity}
    for entity in LISTED:
        for session in sessions:
            listed = await apart[f"{entity}.listBySession"](session_id=session)
            assert listed == model.listed(tenant, entity, session)


async def _remove_all(apart: Backend, tenants: list[str], ids: list[str]) -> None:
    """Leave the next example an empty store."""
    for tenant in tenants:
        with call_context(tenant=tenant):
            for entity in ENTITIES:
                for id_ in ids:
                    await apart.admin.purge(entity, id_)
