"""A call that ends without a record of it is counted, by operation and backend, whether it was refused or not."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import AuditError, BackendInfo, Handlers, wrap
from storescope.middleware import audit, metrics

BACKEND = BackendInfo(system="redis", name="own", region="r")


class DeafSink:
    """Takes nothing of one phase."""

    region = None

    def __init__(self, phase: str) -> None:
        self._phase = phase

    def put(self, phase: str, text: str, *, durable: bool) -> None:
        del text, durable
        if phase == self._phase:
            raise AuditError("deaf")


def stack(registry: CollectorRegistry, phase: str, tmp_path: Any) -> Handlers:
    async def get(*, id: str) -> Any:
        del id

    async def put(*, id: str, value: Any) -> None: ...

    layer = audit(DeafSink(phase), id_key=tmp_path / "id.key")
    handlers: Handlers = {"session.get": get, "session.set": put}
    return wrap(handlers, metrics(registry=registry), layer, backend=BACKEND)


def unaudited(registry: CollectorRegistry, operation: str) -> float | None:
    labels = {"operation": operation, "backend": "own", "region": "r"}
    return registry.get_sample_value("agent_storage_unaudited_total", labels)


async def test_a_lost_outcome_is_counted_of_reads_and_writes(tmp_path: Any) -> None:
    registry = CollectorRegistry()
    handlers = stack(registry, "outcome", tmp_path)
    assert unaudited(registry, "session.get") == unaudited(registry, "session.set") == 0
    await handlers["session.get"](id="s1")
    await handlers["session.set"](id="s1", value={})
    assert unaudited(registry, "session.get") == unaudited(registry, "session.set") == 1


async def test_a_write_that_was_refused_and_recorded_as_such_is_audited(tmp_path: Any) -> None:
    registry = CollectorRegistry()
    handlers = stack(registry, "intent", tmp_path)
    with pytest.raises(AuditError):
        await handlers["session.set"](id="s1", value={})
    assert unaudited(registry, "session.set") == 0
