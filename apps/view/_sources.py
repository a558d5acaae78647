"""What the pages show from: spans, and, where they were named, an audit log and metrics."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Self

from storescope.apps.view._audit_log import AuditFollower
from storescope.apps.view._metrics_poll import MetricsPoller
from storescope.apps.view._store import SpanStore

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from storescope.apps.view._retention import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a viewer is started with.

    Attributes:
        keep: Where the spans are kept; without it they are gone with the viewer.
        bounds: How many, how large, how old at most.
        audit: An audit folder.
        audit_key: The auditor's secret key, to verify it.
        metrics: The URL of a Prometheus text endpoint.
    """

    keep: Path | None = None
    bounds: Bounds | None = None
    audit: Path | None = None
    audit_key: Path | None = None
    metrics: str | None = None


class Sources:
    """All of them, open.

    Attributes:
        store: The spans.
        audit: The audit log, or None.
        metrics: The metrics, or None.
    """

    def __init__(self, options: Options) -> None:
        """Open them.

        Raises:
            ViewError: If spans cannot be kept there, or the URL is none.
            AuditError: If the audit folder or key cannot be read.
        """
        self._run = token_hex(4)  # a viewer that was started anew counts from the beginning
        with ExitStack() as stack:
            self.store = stack.enter_context(SpanStore(options.keep, options.bounds))
            self.audit: AuditFollower | None = None
            self.metrics: MetricsPoller | None = None
            if options.audit is not None:
                self.audit = stack.enter_context(AuditFollower(options.audit, options.audit_key))
            if options.metrics is not None:
                self.metrics = stack.enter_context(MetricsPoller(options.metrics))
            self._stack = stack.pop_all()

    def version(self) -> str:
        """Return what changes whenever any of them does."""
        parts = (self.store, self.audit, self.metrics)
        return ".".join([self._run, *(str(part.version) for part in parts if part is not None)])

    def close(self) -> None:
        """Close them."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
