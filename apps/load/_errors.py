"""What keeps a load from being run."""

from __future__ import annotations

from storescope.errors import StorageError


class LoadError(StorageError):
    """The load cannot be run as it was asked for: a port, a folder or the backend's region cannot be used."""
