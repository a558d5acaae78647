"""From a URL to a KV engine. An engine's module is imported when one of its URLs is opened."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from storescope import BackendError
from storescope._extras import require_extra
from storescope.backends._options import Target, read_options
from storescope.reports import BackendReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope.backends._kv._engine import KvEngine


class _Scheme(NamedTuple):
    module: str
    engine: str
    extra: str | None


SCHEMES: Mapping[str, _Scheme] = {
    "local": _Scheme("storescope.backends._kv._local", "LocalKv", None),
    "memory": _Scheme("storescope.backends._kv._memory", "MemoryKv", None),
    "redis": _Scheme("storescope.backends._kv._redis", "RedisKv", None),
    "rediss": _Scheme("storescope.backends._kv._redis", "RedisKv", None),
    "postgresql": _Scheme("storescope.backends._kv._postgres", "PostgresKv", "postgres"),
    "s3": _Scheme("storescope.backends._kv._s3", "S3Kv", "kv"),
}


class _EngineClass(Protocol):
    """What a scheme's engine has: its options, and how to open it."""

    Options: type[Any]

    async def open(self, target: Target, options: Any, report: BackendReport) -> KvEngine: ...


async def open_engine(url: str, **options: Any) -> KvEngine:
    """Open the store that a URL names.

    Args:
        url: `memory:`, `local:PATH`, `redis://`, `rediss://`, `postgresql://` or `s3://BUCKET/PREFIX`, as
            `open_backend` takes them, options in the query included.
        **options: The store's own options.

    Raises:
        BackendError: If the URL or an option cannot be used, or the store cannot be opened. Nothing was changed.
        MissingExtraError: If a package for this store is not installed.
    """
    report = BackendReport()
    target = Target.parse(url)
    engine_class = find_engine(target.scheme)
    engine = await engine_class.open(target, read_options(engine_class.Options, options, target.query), report)
    report.begin(engine.info)
    return engine


def find_engine(scheme: str) -> _EngineClass:
    """Return the class of a scheme's engine.

    Raises:
        BackendError: If no engine has this scheme. What was given is not repeated: it may be a user's name.
        MissingExtraError: If a package for it is not installed.
    """
    found = SCHEMES.get(scheme)
    if found is None:
        near = get_close_matches(scheme, SCHEMES, n=1, cutoff=0.0)[0]
        known = ", ".join(f"{known}:" for known in SCHEMES)
        raise BackendError(f"no KV engine has this URL scheme; the nearest is '{near}:', of {known}")
    engine_class: _EngineClass = getattr(require_extra(found.module, extra=found.extra), found.engine)
    return engine_class
