"""A processor chain enriches and redacts; what the format relies on is out of its reach, and it fails closed."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from storescope import AuditError
from storescope.middleware._audit._json import to_json
from storescope.middleware._audit._record import CALL_FIELDS
from storescope.middleware._audit._sinks._processors import KEPT, Processors

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("phase", *CALL_FIELDS)
texts = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3),
    max_leaves=5,
)


def record_text(**fields: Any) -> str:
    """Return a record as the layer makes it."""
    record: dict[str, Any] = {"phase": "outcome", **dict.fromkeys(CALL_FIELDS)}
    record |= {"call_id": "c1", "attempt": 1, "operation": "session.get", "outcome": "ok", "duration_us": 7}
    return to_json(record | fields)[1:-1]


def pairs_of(text: str) -> list[tuple[str, Any]]:
    """Read a record as a strict reader does: no object has the same name twice, nothing is not JSON."""

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    def refuse(constant: str) -> Any:
        pytest.fail(f"{constant} is not JSON")

    assert text.isascii()
    return list(json.loads(f"{{{text}}}", object_pairs_hook=read, parse_constant=refuse).items())


def run(text: str, *chain: Callable[..., Any]) -> dict[str, Any]:
    return dict(pairs_of(Processors(chain).text("outcome", text)))


@given(
    said=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("call_id", "operation", "actor", "tenant", "error_type"), texts)
    ),
    attempt=st.integers(min_value=1),
)
def test_a_chain_that_changes_nothing_changes_no_byte(said: dict[str, str], attempt: int) -> None:
    text = record_text(**said, attempt=attempt)
    assert Processors([]).text("outcome", text) == text
    assert Processors([lambda _, __, event: dict(reversed(event.items()))]).text("outcome", text) == text


@given(said=st.dictionaries(texts | st.sampled_from([*NAMES, *KEPT, "event", "intent"]), values, max_size=8))
def test_whatever_a_chain_says_the_line_is_a_record_or_none(said: dict[str, Any]) -> None:
    text = record_text(actor="someone")
    try:
        made = Processors([lambda _, __, event: event | said]).text("outcome", text)
    except AuditError:
        return
    pairs = pairs_of(made)
    assert tuple(name for name, _ in pairs[: len(NAMES)]) == NAMES
    record = dict(pairs)
    assert (record["phase"], record["call_id"]) == ("outcome", "c1")
    assert not {"seq", "stream", "ts", "mac", "event", "intent"} & set(record)
    for name in CALL_FIELDS:
        assert type(record[name]) in {int if name in {"attempt", "duration_us"} else str, type(None)}


def test_what_is_redacted_is_gone_and_what_is_added_goes_last() -> None:
    def redact(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        del event["actor"]
        return {"team": {"name": "é", "rooms": (1, 2)}, **event, "tenant": "someone"}

    made = pairs_of(Processors([redact]).text("outcome", record_text(actor="Ann", tenant="acme")))
    record = dict(made)
    assert (record["actor"], record["tenant"]) == (None, "someone")
    assert made[-1] == ("team", {"name": "é", "rooms": [1, 2]})


def test_the_phases_own_fields_come_before_what_is_added() -> None:
    text = record_text() + ',"own":1'
    made = pairs_of(Processors([lambda _, __, event: {"added": 2, **event}]).text("outcome", text))
    assert made[len(NAMES) :] == [("own", 1), ("added", 2)]


def test_processors_of_structlog_work_as_they_do_there() -> None:
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", key="seen_at"),
    ]
    with structlog.contextvars.bound_contextvars(request="r1", ts="never", mac="never"):
        record = run(record_text(), *chain)
    assert (record["request"], record["level"], record["logger"]) == ("r1", "info", "storescope.audit")
    assert record["seen_at"].endswith("Z")
    assert not {"ts", "mac"} & set(record)


def test_the_chain_is_given_the_whole_record_and_an_event() -> None:
    seen: dict[str, Any] = {}

    def look(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        assert isinstance(logger, logging.Logger)
        assert method == "info"
        seen.update(event)
        return event

    run(record_text(actor="Ann"), look)
    assert set(seen) == {"event", *NAMES}
    assert (seen["event"], seen["actor"], seen["tenant"]) == ("storescope.audit", "Ann", None)


def raises(*_: Any) -> Any:
    raise KeyError("canary")


def drops(*_: Any) -> Any:
    raise structlog.DropEvent


def adds(value: Any) -> Callable[..., Any]:
    return lambda _, __, event: {**event, "added": value}


def says(**fields: Any) -> Callable[..., Any]:
    return lambda _, __, event: {**event, **fields}


def circle() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    ("processor", "why"),
    [
        (raises, "raised KeyError"),
        (drops, "dropped the record"),
        (lambda *_: None, "not a dict"),
        (structlog.processors.JSONRenderer(), "not a dict"),
        (adds({1, 2}), "not JSON"),
        (adds(b"x"), "not JSON"),
        (adds(float("nan")), "not JSON"),
        (adds([float("inf")]), "not JSON"),
        (adds(10**5000), "not JSON"),
        (adds({1: "a", "1": "b"}), "a name that is not text"),
        (adds([{"\ud800\udc00": 1, "\U00010000": 2}]), "a name that is not text"),
        (lambda _, __, event: {**event, 7: 1}, "a name that is not text"),
        (adds(circle()), "nested too deeply"),
        (says(tenant=["acme"]), "made tenant something else than text or null"),
        (says(attempt="1"), "made attempt something else than a number or null"),
        (says(duration_us=True), "made duration_us something else than a number or null"),
    ],
)
def test_what_is_no_record_is_an_audit_error(processor: Callable[..., Any], why: str) -> None:
    """The record would else be written as it was: it may be what had to be redacted."""
    with pytest.raises(AuditError, match=f"a processor of the audit log .*{why}.*outcome") as raised:
        Processors([processor]).text("outcome", record_text())
    assert "canary" not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"


def test_what_cannot_be_called_is_refused_before_any_record() -> None:
    wrong: Any = ["redact"]
    with pytest.raises(AuditError, match="a str cannot be called"):
        Processors(wrong)
