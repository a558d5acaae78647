"""The error of the dashboards."""

from __future__ import annotations

from storescope.errors import StorageError


class DashboardError(StorageError):
    """Dashboards or rules cannot be generated, checked or drawn as asked; the text says what is wrong."""
