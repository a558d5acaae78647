"""From a URL to a backend. An engine's module is imported when one of its URLs is opened."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from storescope import BackendError, BackendInfo
from storescope._extras import require_extra
from storescope.backends._backend import Backend
from storescope.backends._facts import find_region
from storescope.backends._options import CommonOptions, Target, read_options
from storescope.backends._tables import Engine, Site
from storescope.reports import BackendReport

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType


class _Scheme(NamedTuple):
    module: str
    engine: str
    extra: str | None
    cloud: str | None = None  # whose regions `region=` may name without saying so


_SCHEMES: Mapping[str, _Scheme] = {
    "local": _Scheme("storescope.backends._local", "LocalEngine", None),
    "memory": _Scheme("storescope.backends._memory", "MemoryEngine", None),
    "redis": _Scheme("storescope.backends._redis", "RedisEngine", None),
    "rediss": _Scheme("storescope.backends._redis", "RedisEngine", None),
    "redis+cluster": _Scheme("storescope.backends._redis_cluster", "RedisClusterEngine", None),
    "rediss+cluster": _Scheme("storescope.backends._redis_cluster", "RedisClusterEngine", None),
    "postgresql": _Scheme("storescope.backends._postgres", "PostgresEngine", "postgres"),
    "dynamodb": _Scheme("storescope.backends._dynamodb", "DynamoEngine", "dynamodb", cloud="aws"),
    "kv+local": _Scheme("storescope.backends._kv._backend", "LOCAL", None),
    "kv+memory": _Scheme("storescope.backends._kv._backend", "MEMORY", None),
    "kv+redis": _Scheme("storescope.backends._kv._backend", "REDIS", None),
    "kv+rediss": _Scheme("storescope.backends._kv._backend", "REDISS", None),
    "kv+postgresql": _Scheme("storescope.backends._kv._backend", "POSTGRES", None),
    "kv+s3": _Scheme("storescope.backends._kv._backend", "S3", None),
    "storescope+http": _Scheme("storescope.backends._http", "HttpEngine", "http"),
    "storescope+https": _Scheme("storescope.backends._http", "HttpEngine", "http"),
}
_COMMON = ("region", "tenancy", "name", "probe")


class _OpenedEngine(Engine, Protocol):
    @property
    def info(self) -> BackendInfo: ...


class _EngineClass(Protocol):
    """What a scheme's engine has: its options, and how to open it."""

    Options: type[Any]

    async def open(self, target: Target, options: Any, site: Site) -> _OpenedEngine: ...


def open_backend(
    url: str = "local:.storescope",
    *,
    region: str | None = None,
    tenancy: Literal["shared", "required"] = "shared",
    name: str = "",
    probe: bool = False,
    **options: Any,
) -> Opening:
    """Open a store, by awaiting what this returns, or by entering it with `async with`.

    Every option can stand in the URL's query too: `redis://localhost?tenancy=required`.

    Args:
        url: Which store. `local:PATH` is a folder on this machine (SQLite); `memory:` is for tests;
            `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` with TLS, is one Redis server;
            `redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]`, or `rediss+cluster://`, a cluster;
            `postgresql://[USER:PASSWORD@]HOST[:PORT]/DATABASE` is a Postgres database. With `kv+` before them,
            and as `kv+s3://BUCKET[/PREFIX]`, records are kept by the KV layer (`create_kv`);
            `storescope+http://HOST[:PORT]`, or `storescope+https://`, are handlers that `storescope serve`, or a
            program in another language, serves elsewhere.
        region: Where the data rests, `aws:eu-west-1`, as the region guard should know it. The host's name says it
            too if it is an AWS endpoint's.
        tenancy: `required` keeps tenants apart: each call reaches only the records of the tenant that
            `call_context` names. With `shared`, tenants are ignored and all calls share one set of records.
        name: Your own name for it, as the `backend` label of metrics and audit records.
        probe: Whether to read the residency marker that `storescope residency mark` left in the store. The
            region is then known as `probed`; if the marker was written for another place (this is a restored
            copy), or the sources do not agree, as `conflict`, which a region guard denies.
        **options: The store's own.
            `local:`: `busy_timeout` (5 seconds), the longest wait for another process that writes, and `create`
            (True); False refuses a folder that holds no storage.
            `local:` and Postgres: `effect_days` (0), for how many days a write of a durable step is known, so that
            a rerun does not write again.
            Redis: `prefix` (`storescope`) for its keys, `connect_timeout` (2 seconds), `timeout` (5 seconds for
            each call), `max_connections` (20; in a cluster, to each node), and for TLS `ssl_ca_certs`,
            `ssl_certfile` and `ssl_keyfile` (paths).
            Postgres: `migrate` (False; True makes the tables or brings them up to date), `schema`
            (`storescope`), `connect_timeout` and `timeout` (5 seconds each), `statement_timeout` (4 seconds, held
            by the server), `max_connections` (10), `prepared_statements` (True), and libpq's `sslmode`,
            `sslrootcert`, `sslcert` and `sslkey`.
            DynamoDB: `create` (False; True makes the table, with on-demand billing, and waits for it),
            `endpoint_url` for a server that is not AWS's, `connect_timeout` (2 seconds), `timeout` (5 seconds for
            each call), `max_connections` (20) and `max_attempts` (4, of a request that is throttled).
            S3: `endpoint`, `aws_region`, `access_key_id`, `secret_access_key`, `session_token`, `connect_timeout`
            (5 seconds), `timeout` (10 seconds for each request), `max_requests` (32 at once).
            Handlers served elsewhere: `token` (if left out, the environment's STORESCOPE_TOKEN), `timeout` (10
            seconds for each call, its retries included), `connect_timeout` (2 seconds), `retries` (2), `socket`
            (the path of a Unix socket, instead of the host), `max_connections` (100), and for TLS `ssl_ca_certs`,
            `ssl_certfile` and `ssl_keyfile` (paths).

    Returns:
        Something to await, or to enter as an async context manager, which closes the backend at the end.

    Raises:
        BackendError: When awaited: if the URL or an option cannot be used, or the store cannot be opened.
            With `probe`, also if there is no marker. Nothing was changed.
        MissingExtraError: When awaited: if a package for this store is not installed.
    """
    common = {"region": region, "tenancy": tenancy, "name": name, "probe": probe}
    return Opening(url, {key: value for key, value in common.items() if value is not None}, options)


@dataclass(slots=True, repr=False, eq=False)  # no repr: the URL may hold a password
class Opening(AbstractAsyncContextManager[Backend]):
    """A backend about to be opened: await it, or enter it. Each await opens a backend of its own."""

    _url: str
    _common: dict[str, Any]
    _options: dict[str, Any]
    may_probe: bool = True
    _entered: Backend | None = None

    def __await__(self) -> Generator[Any, None, Backend]:
        return self._open().__await__()

    async def __aenter__(self) -> Backend:
        self._entered = await self
        return self._entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            await self._entered.aclose()

    async def _open(self) -> Backend:
        target = Target.parse(self._url)
        scheme = _find_scheme(target.scheme)
        engine_class: _EngineClass = getattr(require_extra(scheme.module, extra=scheme.extra), scheme.engine)
        common = read_options(
            CommonOptions,
            _named(self._common, scheme.cloud),
            _named({k: v for k, v in target.query.items() if k in _COMMON}, scheme.cloud),
        )
        common = common if self.may_probe else replace(common, probe=False)
        if common.tenancy not in {"shared", "required"}:
            raise BackendError("the option tenancy must be 'shared' or 'required'")
        options = read_options(
            engine_class.Options, self._options, {k: v for k, v in target.query.items() if k not in _COMMON}
        )
        report = BackendReport()
        engine = await engine_class.open(target, options, Site(common.tenancy, report, common.region))
        try:
            info = await _describe(engine, common)
        except BaseException:
            await engine.aclose()
            raise
        report.begin(info)
        return Backend(engine, info, tenancy=common.tenancy)


def open_unprobed(url: str) -> Opening:
    """Open what `url` names, whatever it says about `probe`: to write the marker that it would ask for."""
    return Opening(url, {}, {}, may_probe=False)


async def _describe(engine: _OpenedEngine, common: CommonOptions) -> BackendInfo:
    named = replace(engine.info, name=common.name)
    found = await find_region(common.region or named.region, named, engine.marker, probe=common.probe)
    return replace(named, region=found.region, region_confidence=found.confidence)


def _named(options: Mapping[str, Any], cloud: str | None) -> dict[str, Any]:
    """Return options whose region says whose it is: `eu-west-1` can be nobody's but the store's own cloud's."""
    region = options.get("region")
    if cloud is None or not isinstance(region, str) or not region or ":" in region:
        return dict(options)
    return {**options, "region": f"{cloud}:{region}"}


def _find_scheme(name: str) -> _Scheme:
    scheme = _SCHEMES.get(name)
    if scheme is None:  # what was given is not repeated: without a scheme it may be a user's name
        near = get_close_matches(name, _SCHEMES, n=1, cutoff=0.0)[0]
        known = ", ".join(f"{known}:" for known in _SCHEMES)
        raise BackendError(f"no backend has this URL scheme; the nearest is '{near}:', of {known}")
    return scheme
