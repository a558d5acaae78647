"""`s3://BUCKET/PREFIX`: one object for each entry, by conditional writes.

An object is twelve random bytes, the length of the metadata in four, the metadata and the value. The random bytes
make every write's ETag another one, also of the same value: it is the version.

Two things are weaker than on the other engines. S3 has no delete under a condition that all servers know, so a
write that comes between a look at the version and the delete is lost; and numbers are this machine's time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from weakref import WeakValueDictionary

from storescope import BackendError, BackendInfo, RecordTooLargeError
from storescope.backends._kv._engine import ABSENT, ANY, NO_LIMIT, Entry, Listed, Page, conflict
from storescope.backends._kv._object_names import key_of, name_of, start_of
from storescope.backends._kv._s3_connect import S3Options, check_bucket, make_store, read_address
from storescope.backends._kv._s3_errors import CONFLICTS, DRIVER_ERRORS, backend_error, is_retryable, read_answer
from storescope.backends._kv._s3_marker import S3Marker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from obstore.store import S3Store

    from storescope.backends._kv._engine import Expected
    from storescope.backends._kv._s3_connect import Address
    from storescope.backends._options import Target
    from storescope.reports import BackendReport

_T = TypeVar("_T")

_NONCE, _LENGTH = 12, 4  # bytes
_HEAD = _NONCE + _LENGTH
_METADATA = 8192  # bytes of metadata that are read along with a value
_MAX_BYTES = 5 * 2**30 - 2**20  # S3's limit of one PUT, 5 GiB, less what is beside the value


class S3Kv:
    """The entries of one bucket, under one prefix."""

    Options: ClassVar = S3Options

    def __init__(self, address: Address, options: S3Options, report: BackendReport) -> None:
        namespace = f"{address.bucket}/{address.prefix}".rstrip("/")
        self.info = BackendInfo(
            system="s3", address=address.host, port=address.port, namespace=namespace, keeps_labels=True
        )
        self.marker = S3Marker(self, address)
        self.store = make_store(address, options)
        self._renew = partial(make_store, address, options)
        self._timeout = options.timeout
        self._report = report
        self._free = asyncio.Semaphore(options.max_requests)
        # Writes of one object stand in line here: servers make those that meet wait long (SeaweedFS for seconds).
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._last_number = 0

    @classmethod
    async def open(cls, target: Target, options: S3Options, report: BackendReport) -> Self:
        """Look whether the bucket that the URL names can be used.

        Raises:
            BackendError: If the URL is malformed, or the bucket cannot be reached or used.
        """
        address = read_address(target, options)
        engine = cls(address, options, report)
        await check_bucket(engine.store, address, options)
        return engine

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        return await self._get(key, NO_LIMIT)

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each key: a request for each, several at once."""
        return await asyncio.gather(*(self._get(key, max_bytes) for key in keys))

    async def put(self, key: str, value: bytes, *, metadata: bytes = b"", expected: Expected = ANY) -> str:
        """Write, and return the new version."""
        if len(value) + len(metadata) > _MAX_BYTES:
            raise RecordTooLargeError("the record is larger than the 5 GiB of an S3 object")
        name = name_of(key)
        body = token_bytes(_NONCE) + len(metadata).to_bytes(_LENGTH) + metadata + value
        mode = _mode(expected)

        async def write() -> Any:
            async with self._lines.setdefault(name, asyncio.Lock()):
                return await self.store.put_async(name, body, mode=mode, use_multipart=False)

        try:
            result = await self.request(write, writes=True, passes=CONFLICTS if expected is not ANY else ())
        except CONFLICTS:
            raise conflict() from None
        return str(result["e_tag"])

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something."""
        name = name_of(key)
        try:
            found = await self.request(lambda: self.store.head_async(name), passes=(FileNotFoundError,))
        except FileNotFoundError:
            return False
        if expected not in {ANY, found["e_tag"]}:
            raise conflict()
        await self.request(lambda: self.store.delete_async(name), writes=True)
        return True

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`, in order: a request for every thousand."""
        start = start_of(prefix)
        offset = start if after is None else max(start, name_of(after))
        keys = await self.request(lambda: _find(self.store, start, offset, limit + 1))
        return Page(keys[:limit], keys[limit - 1].key if len(keys) > limit else None)

    async def next_number(self) -> int:
        """Return this machine's time in nanoseconds, or one more than the number before."""
        self._last_number = max(time.time_ns(), self._last_number + 1)
        return self._last_number

    async def aclose(self) -> None:
        """Do nothing: idle connections close by themselves."""
        self._report.end()

    async def request(
        self, send: Callable[[], Awaitable[_T]], *, writes: bool = False, passes: tuple[type[Exception], ...] = ()
    ) -> _T:
        """Send a request and return its answer. What only reads is sent once more if the answer did not come.

        Args:
            send: Sends it.
            writes: Whether it writes.
            passes: What is not to be turned into a `BackendError`.
        """
        async with self._turn():
            try:
                return await self._in_time(send, writes=writes)
            except passes:
                raise
            except DRIVER_ERRORS as error:
                if writes or not is_retryable(read_answer(error)):
                    raise backend_error("a request failed", error, writes=writes) from None
            self._report.add("retries")
            try:
                return await self._in_time(send, writes=writes)
            except passes:
                raise
            except DRIVER_ERRORS as error:
                raise backend_error("a request failed", error) from None

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait until fewer than `max_requests` are under way, and be one of them."""
        waits = self._free.locked()
        if waits:
            self._report.add("connections_waiting")
        try:
            await self._free.acquire()
        finally:
            if waits:
                self._report.add("connections_waiting", -1)
        try:
            yield
        finally:
            self._free.release()

    async def _in_time(self, send: Callable[[], Awaitable[_T]], *, writes: bool) -> _T:
        store = self.store
        try:
            async with asyncio.timeout(self._timeout):
                return await send()
        except TimeoutError:
            if self.store is store:  # its other connections may lead nowhere too: they are left together
                self.store = self._renew()
            raise BackendError(
                f"s3: no answer within {self._timeout:g} s",
                driver_error="obstore.TimeoutError",
                retryable=True,
                maybe_applied=writes,
            ) from None

    async def _get(self, key: str, max_bytes: int) -> Entry | None:
        name = name_of(key)
        most = _HEAD + _METADATA + max_bytes
        options: Any = {"range": (0, most)} if max_bytes < NO_LIMIT else {}

        async def read() -> tuple[bytes, Any]:
            result = await self.store.get_async(name, options=options)
            return bytes(await result.bytes_async()), result.meta

        try:
            body, meta = await self.request(read, passes=(FileNotFoundError,))
        except FileNotFoundError:
            return None
        begins = _HEAD + int.from_bytes(body[_NONCE:_HEAD])
        if len(body) < min(begins, meta["size"]):  # more metadata than was thought of
            entry = await self._get(key, NO_LIMIT)
            return entry and (entry if len(entry.value) <= max_bytes else entry._replace(value=b"", whole=False))
        whole = meta["size"] - begins <= max_bytes
        return Entry(body[begins:] if whole else b"", str(meta["e_tag"]), body[_HEAD:begins], whole)


async def _find(store: S3Store, start: str, offset: str, limit: int) -> list[Listed]:
    """Return the first keys whose names begin with `start` and come after `offset`."""
    found: list[Listed] = []
    async for batch in store.list(offset=offset or None, chunk_size=min(limit, 1000)):
        for meta in batch:
            if not meta["path"].startswith(start):
                return found  # they come in order
            key = key_of(meta["path"])
            if key is not None:
                found.append(Listed(key, str(meta["e_tag"])))
            if len(found) == limit:
                return found
    return found


def _mode(expected: Expected) -> Any:
    """Return what obstore calls a condition."""
    if isinstance(expected, str):
        return {"e_tag": expected}
    return "create" if expected is ABSENT else "overwrite"
