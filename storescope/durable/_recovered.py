"""The context that a workflow had when it began, and that a process which recovers it would not know.

An engine starts a recovered workflow with its arguments and nothing else: a `call_context` around whoever started
it is gone. Each step's record says what was in force. Where a replayed call has less than its record, the rest was
around the workflow, and belongs around its later calls too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storescope.context import CallContext

_CARRIED = ("tenant", "actor", "region", "traceparent", "tracestate")


class Recovered:
    """What recovered workflows have lost. A process recovers few, once, so nothing is forgotten."""

    def __init__(self) -> None:
        self._lost: dict[str, dict[str, str]] = {}

    def learn(self, workflow: str, now: CallContext, then: CallContext) -> None:
        """Compare what a replayed call has with what it had."""
        lost = {
            name: getattr(then, name)
            for name in _CARRIED
            if getattr(now, name) is None and getattr(then, name) is not None
        }
        if lost:
            self._lost.setdefault(workflow, {}).update(lost)

    def fill(self, workflow: str, context: CallContext) -> CallContext:
        """Return a call's context with what its workflow has lost."""
        lost = self._lost.get(workflow)
        if lost is None:
            return context
        known: dict[str, Any] = {name: getattr(context, name) or value for name, value in lost.items()}
        return replace(context, **known)
