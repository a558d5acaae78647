"""A span as the viewer keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from storescope.apps.view._limits import MOST_NAME_CHARS, MOST_SEARCHED_CHARS

Attributes: TypeAlias = dict[str, Any]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


@dataclass(slots=True)
class Span:
    """One span.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: That of the span above; empty for a root.
        name: Its name.
        start: When it began, in ns since 1970.
        duration: How long it took, in ns.
        kind: One of `KINDS`.
        status: One of `STATUSES`.
        status_message: What its maker says of the status.
        service: The resource's `service.name`.
        scope: The name of the tracer.
        resource: The resource's attributes.
        attributes: Its own.
        events: Each with `name`, `time` (ns since 1970) and `attributes`.
        links: Each with `trace_id`, `span_id` and `attributes`.
        dropped: How many attributes, events and links its maker or the viewer left out.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    duration: int
    kind: str = "unspecified"
    status: str = "unset"
    status_message: str = ""
    service: str = ""
    scope: str = ""
    resource: Attributes = field(default_factory=dict[str, Any])
    attributes: Attributes = field(default_factory=dict[str, Any])
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    links: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    dropped: int = 0

    @property
    def is_operation(self) -> bool:
        """Whether it is a storage operation, as `tracing()` makes them."""
        return "agent_storage.outcome" in self.attributes or self.scope == "storescope"

    @property
    def outcome(self) -> str | None:
        """How it ended: a storage operation's own word, else `error` if its status says so."""
        return self.word("agent_storage.outcome") or ("error" if self.status == "error" else None)

    @property
    def is_error(self) -> bool:
        """Whether it is marked as failed."""
        return self.status == "error" or self.attributes.get("agent_storage.outcome") in {"error", "denied"}

    def word(self, *keys: str) -> str | None:
        """Return the first of these attributes that is a text and not empty, as it is filtered by."""
        for key in keys:
            value = self.attributes.get(key)
            if isinstance(value, str) and value:
                return value[:MOST_NAME_CHARS]
        return None

    def searched(self) -> str:
        """Return what free text is looked for in, in lower case."""
        words: list[str] = [self.name, self.service, self.scope, self.status_message]
        words += _texts(self.attributes)
        for event in self.events:
            words += (event["name"], *_texts(event["attributes"]))
        return "\n".join(filter(None, words))[:MOST_SEARCHED_CHARS].lower()


def _texts(attributes: Attributes) -> list[str]:
    return [value if type(value) is str else str(value) for value in attributes.values()]
