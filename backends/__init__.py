"""The stores that a handler map can come from."""

from storescope.backends._backend import Backend
from storescope.backends._local_storage import local_storage
from storescope.backends._open import open_backend

__all__ = ["Backend", "local_storage", "open_backend"]
