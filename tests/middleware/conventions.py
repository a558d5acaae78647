"""OpenTelemetry's semantic conventions for database client spans, as the pinned package and its version say them.

The package has the names, and which of them are deprecated; types and requirement levels stand only in the
specification of the same version, so they are written down here, each beside its condition.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan


def names_of(name: str) -> dict[str, bool]:
    """Return every attribute's name in a package of conventions -> whether it is deprecated for good."""
    package = importlib.import_module(name)
    found: dict[str, bool] = {}
    for module in pkgutil.iter_modules(package.__path__):
        source = importlib.import_module(f"{package.__name__}.{module.name}").__file__
        body = ast.parse(Path(str(source)).read_text()).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
                is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                text = str(after.value.value).strip() if is_text else ""  # type: ignore[union-attr] # it was looked at
                # Stable ones are listed again as deprecated; gen_ai only moved to a repository of its own.
                still_there = "in favor of stable" in text or "semantic-conventions-genai" in text
                gone = text.startswith("Deprecated") and not still_there
                found[str(node.value.value)] = gone
    return found


STABLE = names_of("opentelemetry.semconv.attributes")
KNOWN = {**names_of("opentelemetry.semconv._incubating.attributes"), **STABLE}

TYPES: dict[str, type] = {
    "db.system.name": str,
    "db.collection.name": str,
    "db.namespace": str,
    "db.operation.name": str,
    "db.operation.batch.size": int,
    "db.response.status_code": str,
    "db.response.returned_rows": int,
    "error.type": str,
    "server.address": str,
    "server.port": int,
    "network.transport": str,
    "cloud.region": str,
    "gen_ai.conversation.id": str,
}
OWN = "agent_storage."
DEFAULT_PORTS = {"redis": 6379, "postgresql": 5432}
# Answers of the application, which a span may say without having failed.
ANSWERS = {"not_found"}


KINDS = {SpanKind.CLIENT, SpanKind.INTERNAL}


class Rule(NamedTuple):
    """A requirement of the conventions.

    Attributes:
        what: The requirement, in their words.
        holds: Whether a span with these attributes meets it.
    """

    what: str
    holds: Callable[[ReadableSpan, dict[str, Any]], bool]


RULES = (
    Rule("db.system.name is required", lambda _, a: bool(a.get("db.system.name"))),
    Rule(
        "db.operation.name is required if readily available, and is what the span's name begins from",
        lambda span, a: "db.operation.name" in a or span.name == a["db.system.name"],
    ),
    Rule(
        "db.collection.name is required if readily available",
        lambda span, a: "db.collection.name" in a or "." not in span.name,
    ),
    Rule(
        "server.port is required if server.address is set and the port is not the default",
        lambda _, a: "server.address" not in a or "server.port" in a or a["db.system.name"] not in DEFAULT_PORTS,
    ),
    Rule("server.port needs server.address", lambda _, a: "server.port" not in a or "server.address" in a),
    Rule(
        "error.type is required if and only if the operation failed",
        lambda span, a: (
            ("error.type" in a) == (span.status.status_code is StatusCode.ERROR)
            or a.get("agent_storage.outcome") in ANSWERS
        ),
    ),
    Rule(
        "db.response.status_code is for failures",
        lambda span, a: "db.response.status_code" not in a or span.status.status_code is StatusCode.ERROR,
    ),
    Rule(
        "db.operation.batch.size is never 1, and is that of a batch",
        lambda span, a: "db.operation.batch.size" not in a or a["db.operation.batch.size"] != 1,
    ),
    Rule("the kind is CLIENT, or INTERNAL for what runs in process", lambda span, _: span.kind in KINDS),
    Rule(
        "the status is unset unless it is an error", lambda span, _: span.status.status_code is not StatusCode.OK
    ),
    Rule(
        "the name is of low cardinality: no ids in it",
        lambda span, _: len(span.name) <= len("message.listBySession"),
    ),
)


def faults(span: ReadableSpan) -> list[str]:
    """Return what is wrong with a span."""
    attributes: dict[str, Any] = dict(span.attributes or {})
    wrong = [f"{span.name}: {rule.what}" for rule in RULES if not rule.holds(span, attributes)]
    for name, value in attributes.items():
        if name.startswith(OWN):
            continue
        if name not in KNOWN:
            wrong.append(f"{span.name}: the conventions know no {name}")
        elif KNOWN[name]:
            wrong.append(f"{span.name}: {name} is deprecated")
        elif type(value) is not TYPES.get(name):
            wrong.append(f"{span.name}: {name} is a {type(value).__name__}")
    return wrong
