"""Optional imports: one place that turns a missing package into an error that names the extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from storescope.errors import MissingExtraError


def require_extra(module: str, *, extra: str | None) -> Any:
    """Import `module`, which belongs to `extra`.

    Args:
        module: The module's full name.
        extra: The extra of storescope that installs it; None for a package that storescope always needs.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        what = f"storescope[{extra}]" if extra else "storescope"
        raise MissingExtraError(
            f"the package {error.name!r} is not installed; install it with: pip install '{what}'"
        ) from None
