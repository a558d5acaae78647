"""The OpenAPI document, made from what the code goes by; `docs/openapi.json` is this, and a test holds it."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import Any

from storescope import OPERATIONS
from storescope.apps.serve._endpoints import BATCH_PATH, MOST_CALLS
from storescope.apps.serve._refusal import WORDS
from storescope.backends._problems import KINDS, URN
from storescope.backends._wire import (
    ACTOR,
    ATTEMPT,
    CALL_ID,
    INFO_PATH,
    JSON,
    PROBLEM,
    REGION,
    STORAGE_PATH,
    TENANT,
)
from storescope.contract import IN_SESSION

OPENAPI_PATH = "/openapi.json"

_ID = {"type": "string", "minLength": 1}
_HEADERS = {
    TENANT: "For whom, percent-encoded UTF-8. Within the token's grants.",
    ACTOR: "By whom, percent-encoded UTF-8; the token's name if left out.",
    REGION: "From where, aws:eu-west-1. Within the token's grants.",
    CALL_ID: "The call's own id, the same for each attempt; it stands in the audit log.",
    ATTEMPT: "1 for the first try.",
    "traceparent": "W3C trace context.",
    "tracestate": "W3C trace context.",
}


@cache
def document() -> bytes:
    """Return the document as JSON."""
    return (json.dumps(_document(), indent=2) + "\n").encode()


def _document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "storescope bridge",
            "version": version("storescope"),
            "description": "An agent's storage over HTTP. Records are JSON objects; no body holds a context.",
        },
        "security": [{"bearer": []}, {}],
        "paths": {
            STORAGE_PATH: {"post": _storage()},
            BATCH_PATH: {"post": _batch()},
            INFO_PATH: {"get": _plain("What is served.", "Info")},
            "/metrics": {"get": _text("Prometheus metrics.")},
            "/healthz": {"get": _plain("Whether the process serves.", "Alive", private=False)},
            "/readyz": {"get": _ready()},
            OPENAPI_PATH: {"get": _text("This document.", JSON, private=False)},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "parameters": {name: _header(name, text) for name, text in _HEADERS.items()},
            "schemas": _schemas(),
            "responses": {"Problem": _content("A problem.", "Problem", PROBLEM)},
        },
    }


def _storage() -> dict[str, Any]:
    return {
        "summary": "Make one call.",
        "operationId": "storage",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS],
        "requestBody": _body("Envelope"),
        "responses": {"200": _content("What the handler returned.", "Result"), "default": _problem()},
    }


def _batch() -> dict[str, Any]:
    return {
        "summary": "Make calls in order, up to the first that fails.",
        "operationId": "batch",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS],
        "requestBody": _body("Batch"),
        "responses": {"200": _content("What the handlers returned.", "Results"), "default": _problem()},
    }


def _ready() -> dict[str, Any]:
    answers = {"200": _content("Calls would be served.", "Ready"), "503": _content("They would not.", "Ready")}
    return {"summary": "Whether backend, audit log and policy are ready.", "security": [{}], "responses": answers}


def _plain(summary: str, schema: str, *, private: bool = True) -> dict[str, Any]:
    answers = {"200": _content(summary, schema), **({"default": _problem()} if private else {})}
    return {"summary": summary, "responses": answers, **({} if private else {"security": [{}]})}


def _text(summary: str, kind: str = "text/plain", *, private: bool = True) -> dict[str, Any]:
    answers = {
        "200": {"description": summary, "content": {kind: {}}},
        **({"default": _problem()} if private else {}),
    }
    return {"summary": summary, "responses": answers, **({} if private else {"security": [{}]})}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string", "minLength": 1}}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _content(description: str, schema: str, kind: str = JSON) -> dict[str, Any]:
    return {
        "description": description,
        "content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _problem() -> dict[str, str]:
    return {"$ref": "#/components/responses/Problem"}


def _schemas() -> dict[str, Any]:
    problem = {"$ref": "#/components/schemas/Problem"}
    result = _object({"result": {}})
    return {
        "Envelope": {"oneOf": [_envelope(name) for name in OPERATIONS]},
        "Batch": _object(
            {
                "calls": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MOST_CALLS,
                    "items": {"$ref": "#/components/schemas/Envelope"},
                }
            }
        ),
        "Result": result,
        "Results": _object(
            {"results": {"type": "array", "items": {"oneOf": [result, _object({"problem": problem})]}}}
        ),
        "Problem": _problem_schema(),
        "Info": _object(
            {
                "system": {"type": "string"},
                "name": {"type": "string"},
                "region": {"type": ["string", "null"]},
                "regionConfidence": {"type": "string"},
                "keepsLabels": {"type": "boolean"},
            }
        ),
        "Alive": _object({"alive": {"const": True}}),
        "Ready": _object(
            {
                "ready": {"type": "boolean"},
                "checks": {"type": "object", "additionalProperties": {"type": "string"}},
            }
        ),
    }


def _problem_schema() -> dict[str, Any]:
    types = dict.fromkeys([URN + word for word in (*(kind.word for kind in KINDS.values()), *WORDS)])
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "retryable", "maybeApplied"],
        "properties": {
            "type": {"enum": list(types)},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "retryable": {"type": "boolean", "description": "Whether the same call may succeed if made again."},
            "maybeApplied": {"type": "boolean", "description": "Whether a write may have been applied."},
            "decision": {"type": "object", "description": "Of the region guard."},
        },
    }


def _envelope(name: str) -> dict[str, Any]:
    operation = OPERATIONS[name]
    record: dict[str, Any] = {"type": "object"}
    if operation.entity in IN_SESSION and operation.verb == "set":
        record = {"type": "object", "required": ["sessionId"], "properties": {"sessionId": _ID}}
    params = {"id": _ID, "session_id": _ID, "value": record, "updates": {"type": "object"}}
    wire = {"session_id": "sessionId"}
    return _object(
        {
            "op": {"const": name},
            "params": _object({wire.get(param, param): params[param] for param in operation.params}),
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }
