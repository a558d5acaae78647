"""Token files for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.apps.serve._token_file import add_token

if TYPE_CHECKING:
    from pathlib import Path


def make_token(path: Path, name: str = "agent", **grants: Any) -> str:
    """Add a token that may do everything but what `grants` limit."""
    return add_token(path, name, {"tenants": ["*"], "operations": ["*"], "regions": ["*"], **grants})


def bearer(token: str, **more: str) -> dict[str, str]:
    """Return the header that brings a token, and others: `tenant="acme"` is Storescope-Tenant."""
    named = {f"Storescope-{name.title()}": value for name, value in more.items()}
    return {"Authorization": f"Bearer {token}", **named}
