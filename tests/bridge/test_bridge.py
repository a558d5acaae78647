"""What a bridge answers: envelopes, batches, problems that come back as errors, traces, health."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import storescope
from storescope import (
    AuditError,
    BackendError,
    InvalidRecordError,
    PolicyError,
    RecordNotFoundError,
    ResidencyError,
    StorageError,
    StorageTimeoutError,
    call_context,
)
from storescope.apps.serve._openapi import document
from storescope.backends import open_backend
from storescope.backends._codec import encode
from storescope.backends._problems import KINDS, error_of, problem_of
from storescope.backends._wire import from_header, read_json, to_header
from tests.bridge.bridges import Bridge, serving

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
EU = "aws:eu-west-1"
ACME = {"Storescope-Tenant": "acme", "Storescope-Region": EU}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Generator[Bridge]:
    """A bridge with a policy and an audit log; the folder's `serve.log` has what it said."""
    folder = tmp_path_factory.mktemp("bridge")
    policy = ROOT / "examples" / "policy.toml"
    arguments = ("--backend", "memory:", "--region", EU, "--policy", policy, "--audit", "audit")
    with serving(*arguments, cwd=folder) as made:
        yield made
    assert "hush-hush" not in (folder / "serve.log").read_text()


def word(answer: Any) -> str:
    return str(answer.json["type"]).rpartition(":")[2]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b"\xff", 400, "malformed"),
        (b'{"op":"session.get"}', 400, "malformed"),
        (b'{"op":"session.get","params":{"id":"hush-hush","more":1}}', 400, "malformed"),
        (b'{"op":"session.get","params":{"id":"hush-hush"},"context":{"tenant":"globex"}}', 400, "malformed"),
        (b'{"op":"message.listBySession","params":{"session_id":"hush-hush"}}', 400, "malformed"),
        (b'{"op":"session.get","params":{"id":NaN}}', 400, "malformed"),
        (b'{"op":"session.get","params":{"id":' + b"[" * 100_000, 400, "malformed"),
        (b'{"op":"session.get","params":{"id":' + b"9" * 5_000 + b"}}", 400, "malformed"),
        (b'{"op":"session.drop","params":{"id":"hush-hush"}}', 501, "unsupported-operation"),
        (b'{"op":"session.get","params":{"id":""}}', 422, "invalid-record"),
        (b'{"op":"session.get","params":{"id":7}}', 422, "invalid-record"),
        (b'{"op":"message.set","params":{"id":"m","value":{}}}', 422, "invalid-record"),
        (b'{"op":"session.set","params":{"id":"s","value":{"n":1e999}}}', 422, "invalid-record"),
        (b'{"op":"session.update","params":{"id":"hush-hush","updates":{}}}', 404, "record-not-found"),
        (b" " * (8 * 2**20 + 1), 413, "record-too-large"),
    ],
    ids=range(18),
)
def test_a_request_that_is_wrong(bridge: Bridge, body: bytes, status: int, kind: str) -> None:
    answer = bridge.post(body, ACME)
    assert (answer.status, word(answer)) == (status, kind)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"hush-hush" not in answer.body


def test_nesting_is_refused_without_harm(bridge: Bridge) -> None:
    for depth in (240, 260, 900, 2_000):
        value = b'{"op":"setup.set","params":{"id":"deep","value":{"a":' + b"[" * depth + b"]" * depth + b"}}}"
        assert bridge.post(value, ACME).status == (200 if depth == 240 else 422 if depth < 1_000 else 400), depth


def test_paths_methods_and_media_types(bridge: Bridge) -> None:
    assert word(bridge.get("/v1/nowhere")) == "no-such-path"
    assert word(bridge.get("/v1/storage")) == "no-such-method"
    assert bridge.get("/v1/storage").headers["Allow"] == "POST"
    assert word(bridge.post(b"{}", {"Content-Type": "text/plain"})) == "media-type"
    assert word(bridge.post(b"{}", {"Content-Encoding": "gzip"})) == "media-type"


def test_another_name_is_shut_out(bridge: Bridge) -> None:
    """A web page may have its own name lead to the loopback."""
    assert bridge.call("session.get", {**ACME, "Host": "evil.example"}, id="a").status == 403


def test_a_batch_runs_in_order_up_to_the_first_failure(bridge: Bridge) -> None:
    calls: list[dict[str, Any]] = [
        {"op": "session.set", "params": {"id": "b", "value": {"n": 1}}},
        {"op": "session.update", "params": {"id": "b", "updates": {"m": 2}}},
        {"op": "session.update", "params": {"id": "none", "updates": {}}},
        {"op": "session.set", "params": {"id": "b", "value": {}}},
    ]
    results = bridge.post(json.dumps({"calls": calls}).encode(), ACME, "/v1/storage/batch").json["results"]
    assert results[:2] == [{"result": None}, {"result": {"n": 1, "m": 2}}]
    assert results[2]["problem"]["type"].endswith("record-not-found")
    assert len(results) == 3
    assert bridge.call("session.get", ACME, id="b").json == {"result": {"n": 1, "m": 2}}
    wrongs: tuple[Any, ...] = ({"calls": []}, {"calls": [{}] * 101}, [], {"calls": [1]})
    for wrong in wrongs:
        assert bridge.post(json.dumps(wrong).encode(), ACME, "/v1/storage/batch").status == 400


async def test_errors_come_back_as_what_they_are(bridge: Bridge) -> None:
    async with open_backend(bridge.backend_url) as backend:
        with call_context(tenant="acme", region=EU):
            with pytest.raises(RecordNotFoundError) as missing:
                await backend["session.update"](id="none", updates={})
            assert (missing.value.entity, missing.value.id) == ("session", "none")
            with pytest.raises(InvalidRecordError, match="reserved"):
                await backend["session.set"](id="a", value={"$residency": 1})
        with call_context(tenant="acme", region="aws:us-east-1"), pytest.raises(ResidencyError) as denied:
            await backend["session.get"](id="a")
        assert denied.value.decision.code == "call_region_forbidden"
        assert denied.value.decision.backend_region == EU
        assert not denied.value.decision.allowed
        assert not backend.info.keeps_labels  # the guard there refuses the labels of a guard here


def test_a_call_is_one_trace_and_the_log_names_who_made_it(bridge: Bridge) -> None:
    """The bridge's span is a child of the agent's; call id, actor and region stand in the audit log."""
    trace, call = "ab" * 16, "cd" * 16
    headers = {
        "traceparent": f"00-{trace}-{'12' * 8}-01",
        "Storescope-Call-Id": call,
        "Storescope-Actor": "j%C3%BCrgen",
    }
    assert bridge.call("session.set", {**ACME, **headers}, id="traced", value={}).status == 200
    lines = [line for path in (bridge.folder / "audit").glob("*.jsonl") for line in path.read_text().splitlines()]
    records = [record for line in lines if (record := json.loads(line)).get("call_id") == call]
    assert [record["phase"] for record in records] == ["intent", "outcome"]
    for record in records:
        assert (record["trace_id"], record["caller_region"], record["actor"]) == (trace, EU, "jürgen")


def test_plain_json_is_read_as_it_stands(bridge: Bridge) -> None:
    """`1.0`, big integers and halves of pairs survive; a pair spelled as two escapes is one character."""
    text = b'{"id":"j","a":1.0,"b":12345678901234567890123,"c":"\\ud800","d":"\\ud83d\\ude00"}'
    body = b'{"op":"session.set","params":{"id":"j","value":' + text + b"}}"
    assert bridge.post(body, ACME).json == {"result": None}
    found = bridge.call("session.get", ACME, id="j").json["result"]
    assert found == {"id": "j", "a": 1.0, "b": 12345678901234567890123, "c": "\ud800", "d": "\U0001f600"}
    assert isinstance(found["a"], float)


def test_health(bridge: Bridge) -> None:
    ready = bridge.get("/readyz").json
    assert ready == {
        "ready": True,
        "checks": {"backend": "ok", "audit": "ok", "policy": "version 2026-11 in force"},
    }
    assert b"agent_storage_operations_total" in bridge.get("/metrics").body


def test_the_checked_in_openapi_document_is_what_is_generated(bridge: Bridge) -> None:
    """Regenerate it with: storescope serve --openapi > docs/openapi.json."""
    assert (ROOT / "docs" / "openapi.json").read_bytes() == document() == bridge.get("/openapi.json").body


ERRORS: list[StorageError] = [
    RecordNotFoundError("session", "the-id"),
    InvalidRecordError("wrong"),
    storescope.RecordTooLargeError("large"),
    storescope.UnsupportedOperationError("none"),
    storescope.TenantRequiredError("whose?"),
    PolicyError("policy", key="rules.a"),
    AuditError("audit"),
    StorageTimeoutError("session.set", 2.5),
    BackendError("gone", driver_error="redis.ConnectionError", retryable=True, maybe_applied=True),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_travels_with_class_and_attributes(error: StorageError) -> None:
    problem = json.loads(json.dumps(problem_of(error)))
    back = error_of(problem, problem["status"], params={"id": "the-id"}, writes=True)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert (back.retryable, back.maybe_applied) == (error.retryable, error.maybe_applied)
    known = {name: value for name, value in vars(error).items() if value is not None}
    assert {**known, **vars(back)} == {**vars(back), **known}
    assert "the-id" not in json.dumps(problem)


def test_every_class_has_one_type() -> None:
    assert len({kind.word for kind in KINDS.values()}) == len(KINDS)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(value=JSON_VALUES)
def test_what_is_encoded_is_read_back_equal(value: Any) -> None:
    assert read_json(encode({"v": value}), exact=True) == {"v": value}


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_header_brings_any_text(text: str) -> None:
    assert from_header(to_header(text, "tenant")) == text
    assert to_header(text, "tenant").isascii()


DENIALS = st.builds(lambda told: {"type": "urn:storescope:error:residency", "decision": told}, JSON_VALUES)


@given(problem=JSON_VALUES | DENIALS, status=st.integers(300, 599))
def test_any_answer_is_an_error(problem: Any, status: int) -> None:
    assert isinstance(error_of(problem, status, params={}, writes=True), StorageError)


def test_any_bytes_are_answered(bridge: Bridge) -> None:
    """A small fuzzer: what a client sends, however broken, is answered with 4xx or closed, and harms nobody."""
    dice = random.Random(7)
    body = b'{"op":"session.get","params":{"id":"a"}}'
    head = b"POST /v1/storage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for _ in range(60):
        spoiled = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
        with bridge.connect() as connection:
            connection.sendall(spoiled)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.1 3")) or answer.startswith(b"HTTP/1.1 501"), spoiled
    assert bridge.get("/healthz").status == 200
