"""Ids and tenants, held to what every store can keep; and whose records a call may reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope import InvalidRecordError, TenantRequiredError, current_context

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 256
"""The longest id, session id or tenant, in bytes of UTF-8."""


def check_name(value: str, what: str) -> str:
    """Hold an id, a session id or a tenant to what every store can keep, and return it.

    Raises:
        InvalidRecordError: If it is too long, or holds a NUL or a lone surrogate.
    """
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise InvalidRecordError(f"{what} holds a lone surrogate, which is not UTF-8") from None
    if size > MAX_BYTES:
        raise InvalidRecordError(f"{what} is longer than {MAX_BYTES} bytes of UTF-8")
    if "\0" in value:
        raise InvalidRecordError(f"{what} holds a NUL")
    return value


def _no_tenant() -> str:
    return ""


def _required_tenant() -> str:
    tenant = current_context().tenant
    if not tenant:
        raise TenantRequiredError(
            "this backend keeps tenants apart: make the call inside call_context(tenant=...)"
        )
    return check_name(tenant, "the tenant")


SCOPES: dict[str, Callable[[], str]] = {"shared": _no_tenant, "required": _required_tenant}
"""Tenancy -> what returns the tenant of the call that is being made; empty where tenants share."""
