"""What a load was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """The options of `storescope load`.

    Attributes:
        backend: The URL of the store.
        sessions: How many agent sessions are busy at once.
        seconds: For how long, in seconds.
        errors: The share of calls that fail by an injected fault, 0 to 1.
        denials: The share of calls that the region guard denies, 0 to 1; both shares together are 1 at most.
        metrics_port: The port of 127.0.0.1 on which metrics are served; 0 takes a free one.
        seed: What the sessions do follows from it.
        linger: How long metrics are served after the last call, in seconds, so that a last scrape sees all of it.
        keep: The folder where policy, keys and audit log stay; None if they go when the run is over.
    """

    backend: str
    sessions: int
    seconds: float
    errors: float
    denials: float
    metrics_port: int
    seed: int
    linger: float = 0.0
    keep: Path | None = None
