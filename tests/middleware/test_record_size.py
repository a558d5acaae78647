"""Record sizes, when they are asked for: the length of the JSON, and nothing of what is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from storescope import wrap
from storescope.middleware import metrics
from storescope.middleware._record_size import json_bytes
from tests.middleware.helpers import BACKEND, memory_map


def measured(registry: CollectorRegistry, operation: str) -> tuple[Any, Any]:
    labels = {"operation": operation, "backend": "own", "region": "aws:eu-west-1"}
    name = "agent_storage_record_bytes"
    return registry.get_sample_value(f"{name}_count", labels), registry.get_sample_value(f"{name}_sum", labels)


async def test_what_is_set_got_and_updated_is_measured() -> None:
    registry = CollectorRegistry()
    handlers = wrap(memory_map(), metrics(registry=registry, sizes=True), backend=BACKEND)
    record = {"sessionId": "s1", "text": "é" * 100}
    size = len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    await handlers["message.set"](id="m1", value=record)
    await handlers["message.get"](id="m1")
    await handlers["message.get"](id="missing")
    await handlers["message.update"](id="m1", updates={"n": 1})
    await handlers["message.listBySession"](session_id="s1")
    assert measured(registry, "message.set") == (1, size)
    assert measured(registry, "message.get") == (1, size)
    assert measured(registry, "message.update") == (1, size + len(',"n":1'))
    assert measured(registry, "message.listBySession") == (None, None)


async def test_unasked_nothing_is_measured() -> None:
    registry = CollectorRegistry()
    await wrap(memory_map(), metrics(registry=registry), backend=BACKEND)["session.set"](id="s1", value={})
    assert measured(registry, "session.set") == (None, None)


@pytest.mark.parametrize("value", [10**30, "\ud800", {"nested": [10**30]}])
def test_what_orjson_refuses_is_measured_all_the_same(value: Any) -> None:
    assert json_bytes({"a": value}) == len(json.dumps({"a": value}, separators=(",", ":")))


async def test_what_is_not_json_breaks_no_call() -> None:
    registry = CollectorRegistry()
    handlers = wrap(memory_map(), metrics(registry=registry, sizes=True), backend=BACKEND)
    await handlers["session.set"](id="s1", value={"a": object()})
    assert measured(registry, "session.set") == (0, 0)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53), 2**53)))
def test_it_is_the_length_in_utf_8(record: dict[str, int]) -> None:
    assert json_bytes(record) == len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
