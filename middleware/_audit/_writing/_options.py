"""What an audit log was opened with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from storescope.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storescope.middleware._audit._head import Head
    from storescope.middleware._audit._sinks._processors import Processors

Durability = Literal["group", "each", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `AuditLog.open`, which says what they mean."""

    folder: Path
    durability: Durability
    timeout: float
    clear_ids: bool
    region: str | None
    on_head: Callable[[Head], None] | None
    processors: Processors | None
    seal_seconds: float
    segment_bytes: int
    segment_seconds: float
    compress: bool
    retain_days: float | None
    reserve_bytes: int
    override_file: Path

    def __post_init__(self) -> None:
        """Raise AuditError for what is none of the values that there are."""
        if self.durability not in {"group", "each", "none"}:
            raise AuditError(f"durability must be group, each or none, not {self.durability!r}")
        for name in ("timeout", "seal_seconds", "segment_bytes", "segment_seconds"):
            if not getattr(self, name) > 0:
                raise AuditError(f"{name} must be more than 0, not {getattr(self, name)!r}")
        if self.reserve_bytes < 0:
            raise AuditError(f"reserve_bytes must be 0 or more, not {self.reserve_bytes!r}")
        if self.retain_days is not None and not self.retain_days > 0:
            raise AuditError(f"retain_days must be more than 0, or None to keep all, not {self.retain_days!r}")
