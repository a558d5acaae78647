"""The stores that a handler map can come from."""

from storescope.backends._admin import Admin
from storescope.backends._backend import Backend
from storescope.backends._identity import Identity, Marker
from storescope.backends._kv._index import Index
from storescope.backends._kv._kv import KV, create_kv
from storescope.backends._kv._read import KvEntry, KvPage
from storescope.backends._kv._reindex import Reindexed
from storescope.backends._kv._store import Store
from storescope.backends._local_storage import local_storage
from storescope.backends._open import open_backend
from storescope.backends._scan import ScannedRecord, ScanPage
from storescope.errors import IndexConflictError, VersionConflictError

__all__ = [
    "KV",
    "Admin",
    "Backend",
    "Identity",
    "Index",
    "IndexConflictError",
    "KvEntry",
    "KvPage",
    "Marker",
    "Reindexed",
    "ScanPage",
    "ScannedRecord",
    "Store",
    "VersionConflictError",
    "create_kv",
    "local_storage",
    "open_backend",
]
