"""`--format ocsf`: every record is a valid event of OCSF's own class definition, which says what is valid."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ocsf_json_schema import (  # pyright: ignore[reportMissingTypeStubs] (it has annotations, and does not say so)
    OcsfJsonSchemaEmbedded,
    get_ocsf_schema,
)

from storescope.contract import OPERATIONS
from storescope.middleware._audit._reading._cursor import Entry
from storescope.middleware._audit._reading._ocsf import OCSF_VERSION, to_ocsf
from storescope.middleware._audit._record import FIELDS
from tests.apps.command import storescope_here
from tests.audit.lines import MAC, record, ts
from tests.audit.logs import make_folder
from tests.rounds import LONG

if TYPE_CHECKING:
    from pathlib import Path

OUTCOMES = {
    "ok": 1,
    "not_found": 2,
    "denied": 2,
    "error": 2,
    "cancelled": 99,
    "unknown": 0,
    "of a later version": 99,
}
DECISIONS = {"allow": (1, 1), "deny": (2, 2), "would_deny": (3, 15), "exception": (1, 8)}
HEAD = {"stream": "b", "seq": 1, "mac": MAC}
OWN: dict[str, dict[str, Any]] = {
    "header": {"format": "storescope-audit/1", "version": "1.2.3", "segment": 1, "epoch": 1, "heads": [HEAD]},
    "seal": {"epoch": 1, "first": 1, "last": 7, "count": 7, "last_mac": MAC, "closes": "stream"},
    "gap": {"unlogged": 3},
    "recovery": {"from": HEAD, "unknown": 2},
    "tombstone": {"removed": [{**HEAD, "segment": 1, "epoch": 1, "closes": "segment"}], "retain_days": 30.5},
    "tamper": {"what": "deleted", "head": HEAD},
    "override": {"state": "begun", "on_failure": "allow", "until": ts(9), "reason": "disk", "by": "olga"},
    "of a later version": {"note": None},
}


@cache
def _definition() -> dict[str, Any]:
    found: dict[str, Any] = get_ocsf_schema(OCSF_VERSION)
    return found


@cache
def _validator(*profiles: str) -> Draft202012Validator:
    """Return what holds an event to the class: its attributes, types, enumerations and constraints."""
    schema = OcsfJsonSchemaEmbedded(_definition()).get_class_schema("datastore_activity", list(profiles))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def assert_valid(event: dict[str, Any]) -> None:
    event = json.loads(json.dumps(event, allow_nan=False))
    errors = list(_validator(*event["metadata"].get("profiles", [])).iter_errors(event))
    assert not errors, [(error.json_path, error.message) for error in errors]
    _assert_siblings(event, _definition()["classes"]["datastore_activity"]["attributes"])
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]


def _assert_siblings(event: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Hold the text beside an enumeration's number to its caption; of Other it is the source's own."""
    for name, value in event.items():
        attribute = attributes[name]
        sibling = attribute.get("sibling")
        if sibling in event and value != 99:
            assert event[sibling] == attribute["enum"][str(value)]["caption"], name
        if isinstance(value, dict) and name != "unmapped":
            _assert_siblings(value, _definition()["objects"][attribute["object_type"]]["attributes"])


def event_of(phase: str = "outcome", **fields: Any) -> dict[str, Any]:
    made = {**record("a", 7, 61.234567, phase), **fields, "mac": MAC}
    return to_ocsf(Entry(made, b"", ts(61.234567)))


def test_the_definition_is_that_of_the_class() -> None:
    """The validator is no better than what it was made of: look that it holds what the class demands."""
    found = _definition()["classes"]["datastore_activity"]
    assert (_definition()["version"], found["uid"]) == (OCSF_VERSION, 6005)
    assert found["constraints"] == {"at_least_one": ["database", "databucket", "table"]}
    for without in ("actor", "src_endpoint", "metadata", "time", "severity_id", "activity_id", "type_uid"):
        event = event_of()
        del event[without]
        assert not _validator().is_valid(event), without
    broken = event_of()
    del broken["database"], broken["table"]
    for wrong in (
        broken,
        {**event_of(), "activity_id": 11},
        {**event_of(), "time": "now"},
        {**event_of(), "own": 1},
    ):
        assert not _validator().is_valid(wrong)


@pytest.mark.parametrize("operation", [*OPERATIONS, "session.archive", "nonsense", ""])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_of_every_operation(operation: str, outcome: str) -> None:
    event = event_of(operation=operation, outcome=outcome, error_type="KeyError", duration_us=1_999, actor="me")
    assert_valid(event)
    activities = {"get": 1, "update": 2, "listBySession": 4, "set": 5}
    assert event["activity_id"] == activities.get(operation.partition(".")[2], 99)
    assert event["status_id"] == OUTCOMES[outcome]
    assert (event["status_detail"], event["status_code"], event["duration"]) == (outcome, "KeyError", 1)


@pytest.mark.parametrize("operation", [name for name, operation in OPERATIONS.items() if operation.writes])
def test_every_intent(operation: str) -> None:
    event = event_of("intent", operation=operation)
    assert_valid(event)
    assert (event["status_id"], event["status"]) == (99, "intent")


@pytest.mark.parametrize("decision", DECISIONS)
def test_every_decision(decision: str) -> None:
    event = event_of(decision=decision, policy="ab" * 32, rule="eu-only", code="tenant_mismatch")
    assert_valid(event)
    assert (event["action_id"], event["disposition_id"]) == DECISIONS[decision]
    assert event["policy"]["uid"] == "ab" * 32
    assert event["metadata"]["profiles"] == ["security_control"]


@pytest.mark.parametrize("phase", OWN)
def test_every_phase_that_speaks_of_the_log(phase: str) -> None:
    event = event_of(phase, **OWN[phase])
    assert_valid(event)
    assert (event["activity_id"], event["activity_name"]) == (99, phase)
    kept = {name: value for name, value in OWN[phase].items() if value is not None}
    assert kept.items() <= event["unmapped"].items()


def test_what_is_most_serious_is_most_severe() -> None:
    severities = {phase: event_of(phase, **OWN[phase])["severity_id"] for phase in OWN}
    assert severities["tamper"] == 5
    assert severities["gap"] == severities["override"] == 4
    assert severities["header"] == severities["seal"] == severities["tombstone"] == 1
    denied = event_of(outcome="denied", decision="deny")
    assert denied["severity_id"] > event_of(outcome="ok", decision="would_deny")["severity_id"] > 1


def test_where_everything_went() -> None:
    fields: dict[str, Any] = {name: f"<{name}>" for name in FIELDS[4:]}
    fields |= {
        "attempt": 2,
        "duration_us": 5_000,
        "outcome": "ok",
        "operation": "session.get",
        "decision": "allow",
        "backend": "redis",
        "own": {"x": [1]},
    }
    event = event_of(**fields)
    assert_valid(event)
    assert event["time"] == 1795341661234
    assert event["actor"] == {"app_name": "agent", "user": {"name": "<actor>"}}
    assert event["database"] == {"name": "redis", "type_id": 6, "type": "NoSQL"}
    assert event["table"] == {"name": "session"}
    metadata = event["metadata"]
    assert (metadata["tenant_uid"], metadata["correlation_uid"]) == ("<tenant>", "<call_id>")
    assert (metadata["uid"], metadata["sequence"], metadata["version"]) == ("a:7", 7, "1.8.0")
    unmapped = (
        "attempt caller_region backend_region record session duration_us decision code rule exception policy"
    )
    assert set(event["unmapped"]) == {*unmapped.split(), "trace_id", "span_id", "own", "mac"}
    assert all(event["unmapped"][name] == fields[name] for name in unmapped.split())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200 if LONG else 60)
@given(st.dictionaries(st.sampled_from([*FIELDS[1:], "version", "by"]), JSON), st.sampled_from([*OWN, "outcome"]))
def test_whatever_stands_in_a_field_the_event_is_valid(fields: dict[str, Any], phase: str) -> None:
    """Who has a writer's key may write anything; a pipeline that reads events must not stumble over it."""
    made = {**record("a", 1, 1, phase), **fields, "mac": MAC}
    assert_valid(to_ocsf(Entry(made, b"", "9999-99-99T99:99:99.999999Z")))


def test_the_command_prints_json_lines(tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path)
    done = storescope_here("audit", "show", folder, "--format", "ocsf", cwd=tmp_path)
    assert done.returncode == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 24
    for event in events:
        assert_valid(event)
    assert {event["metadata"]["version"] for event in events} == {"1.8.0"}
    assert {event["metadata"]["event_code"] for event in events} == {"header", "intent", "outcome", "seal"}
