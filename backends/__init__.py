"""The stores that a handler map can come from."""

from storescope.backends._admin import Admin
from storescope.backends._backend import Backend
from storescope.backends._identity import Identity, Marker
from storescope.backends._local_storage import local_storage
from storescope.backends._open import open_backend
from storescope.backends._scan import ScannedRecord, ScanPage

__all__ = ["Admin", "Backend", "Identity", "Marker", "ScanPage", "ScannedRecord", "local_storage", "open_backend"]
