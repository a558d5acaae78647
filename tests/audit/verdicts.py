"""What two verifiers say of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope import AuditError
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit import independent_verifier

if TYPE_CHECKING:
    from pathlib import Path


def both(folder: Path, key: Path, anchor: Path | None = None, retention: float | None = None) -> Verdict:
    """Return the verdict that ours and the independent one agree on."""
    other = independent_verifier.verdict(folder, key, anchor, retention)
    try:
        ours = verify(folder, key, anchor=anchor, retention=retention).verdict
    except AuditError:
        ours = Verdict.USAGE
    assert ours == other
    return ours
