"""The JSON that the page asks for, from a viewer that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.view.sending import BEGAN_MS, get, operation, send, span, trace_id

if TYPE_CHECKING:
    from storescope.apps.view import Viewer


def test_a_trace_is_a_waterfall_in_milliseconds(viewer: Viewer) -> None:
    send(
        viewer.url,
        span("agent turn", 1, ms=100),
        operation("part.set", 2, parent=1, at=10, ms=20.5, events=(("retry", 3),), agent_storage__attempt=2),
        span("tool", 3, parent=1, at=60, ms=40),
    )
    found = get(viewer.url, f"/api/trace/{trace_id(1)}").json
    assert (found["start"], found["duration"], found["spans"]) == (BEGAN_MS, 100, 3)
    assert [(one["name"], one["depth"], one["offset"], one["duration"]) for one in found["waterfall"]] == [
        ("agent turn", 0, 0, 100),
        ("part.set", 1, 10, 20.5),
        ("tool", 1, 60, 40),
    ]
    assert found["waterfall"][0]["gaps"] == [[0, 10], [30.5, 29.5]]
    assert found["waterfall"][1]["events"] == [{"name": "retry", "offset": 13, "attributes": {}}]
    assert found["waterfall"][1]["attributes"]["agent_storage.attempt"] == 2
    assert found["audit"] is None


def test_a_residency_decision_is_explained(viewer: Viewer) -> None:
    said: dict[str, Any] = {
        "agent_storage__residency__decision": "deny",
        "agent_storage__residency__code": "call_region_forbidden",
        "agent_storage__residency__rule": "eu-only",
        "agent_storage__caller__region": "aws:us-east-1",
        "agent_storage__tenant": "acme",
    }
    send(viewer.url, operation("session.get", outcome="denied", **said))
    (found,) = get(viewer.url, f"/api/trace/{trace_id(1)}").json["waterfall"]
    assert found["residency"] == {
        "effect": "deny",
        "code": "call_region_forbidden",
        "rule": "eu-only",
        "facts": {"tenant": "acme", "call_region": "aws:us-east-1"},
        "text": "denied by rule eu-only: data may not be touched from the call's region aws:us-east-1",
    }


def test_the_history_goes_across_traces(viewer: Viewer) -> None:
    for number in (2, 1, 3):
        send(
            viewer.url,
            operation("message.set", at=number * 10, trace=number, gen_ai__conversation__id="a/b?c d%"),
            operation("message.get", 2, at=number * 10 + 5, trace=number),
            operation("session.get", at=7, trace=9, gen_ai__conversation__id="other"),
        )
    found = get(viewer.url, "/api/session", None, id="a/b?c d%").json
    assert [(one["trace_id"], one["operation"], one["by_trace"]) for one in found["operations"]] == [
        (trace_id(number), name, by)
        for number in (1, 2, 3)
        for name, by in (("message.set", False), ("message.get", True))
    ]


def test_what_has_not_changed_is_not_sent_again(viewer: Viewer) -> None:
    send(viewer.url, span("one"))
    first = get(viewer.url, "/api/traces")
    again = {"If-None-Match": first.headers["ETag"]}
    assert get(viewer.url, "/api/traces", again).status == 304
    send(viewer.url, span("one"))  # a retry of its exporter
    assert get(viewer.url, "/api/traces", again).status == 304
    send(viewer.url, span("two", trace=2))
    assert len(get(viewer.url, "/api/traces", again).json["traces"]) == 2


def test_what_others_changed_is_not_sent_again_either(viewer: Viewer) -> None:
    send(viewer.url, span("one"))
    first = get(viewer.url, f"/api/trace/{trace_id(1)}")
    send(viewer.url, span("two", trace=2))
    again = get(viewer.url, f"/api/trace/{trace_id(1)}", {"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert again.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        (f"/api/trace/{trace_id(7)}", 404, "no such trace"),
        ("/api/trace/nonsense", 404, "no such trace"),
        ("/api/session", 400, "session"),
        ("/api/charts", 404, "--metrics URL"),
        ("/api/traces?outcome=fine", 400, "outcome must be one of"),
        ("/api/traces?before=x", 400, "next"),
        ("/api/traces?before=99999999999999999999-1", 400, "next"),
    ],
)
def test_what_cannot_be_answered_says_why(viewer: Viewer, path: str, status: int, says: str) -> None:
    answer = get(viewer.url, path)
    assert answer.status == status
    assert says in answer.json["error"]


def test_an_id_in_capitals_is_found_too(viewer: Viewer) -> None:
    send(viewer.url, span("one", trace=0xABC))
    assert get(viewer.url, f"/api/trace/{trace_id(0xABC).upper()}").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/charts", "/trace/abc", "/session/a%2Fb", "/static/app.js", "/static/app.css"]
)
def test_every_answer_carries_the_policy(viewer: Viewer, path: str) -> None:
    answer = get(viewer.url, path)
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_itself_has_no_inline_script_or_style(viewer: Viewer) -> None:
    page = get(viewer.url, "/").body.decode()
    assert page.count("<script") == 1
    assert "<style" not in page
    assert " style=" not in page
    assert "//" not in page.replace("</", "")  # no address but our own
