"""The audit log: opens streams, decides the order of records, and counts what could not be logged."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakSet

from storescope.errors import AuditError
from storescope.middleware._audit._ids import NO_IDS, ClearIds, IdHasher
from storescope.middleware._audit._keys import fingerprint, generate, load_or_make_id_key, load_public, load_secret
from storescope.middleware._audit._record import Circumstances, own_record
from storescope.middleware._audit._stats import AuditStats
from storescope.middleware._audit._stream import Head, Stream
from storescope.middleware._audit._sync import Syncer
from storescope.middleware._log import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType

    from nacl.public import PublicKey

Durability = Literal["group", "each", "none"]
_REOPEN_SECONDS = 1.0


class AuditLog:
    """An append-only, chained log of storage calls in a folder. Open it with `AuditLog.open`.

    Attributes:
        folder: Where it lies.
        durability: `group`, `each` or `none`.
        region: Where it is kept, for policies that rule on telemetry.
        stats: What it counted.
        hasher: What ids are written with; None until the folder could be opened once.
        circumstances: The parts of records that recur.
    """

    def __init__(  # noqa: PLR0913 (AuditLog.open is what users call, by keyword)
        self,
        folder: Path,
        auditor: PublicKey,
        *,
        durability: Durability,
        timeout: float,
        clear_ids: bool,
        region: str | None,
        on_head: Callable[[Head], None] | None,
    ) -> None:
        self.folder = folder
        self.durability = durability
        self.region = region
        self.stats = AuditStats()
        self.circumstances = Circumstances()
        self.hasher: IdHasher | None = None
        self._auditor = auditor
        self._timeout = timeout
        self._clear_ids = clear_ids
        self._on_head = on_head
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._syncer: Syncer | None = None
        self._position = 0
        self._unlogged = 0
        self._reopen_at = 0.0
        self._closed = False
        self._forked = False
        _open_logs.add(self)

    @classmethod
    def open(  # noqa: PLR0913 (keywords, each with a default)
        cls,
        folder: str | Path,
        *,
        auditor: str | Path | None = None,
        durability: Durability = "group",
        timeout: float = 1.0,
        ids: Literal["hashed", "clear"] = "hashed",
        region: str | None = None,
        on_head: Callable[[Head], None] | None = None,
    ) -> AuditLog:
        """Open the log in a folder and start a new stream in it.

        A folder that cannot be written now does not raise: it is logged, each call is answered as `audit`'s
        `on_failure` says, and opening is tried again once a second.

        Args:
            folder: Where the log lies; made if it is missing. Several processes may share it.
            auditor: The auditor's public key, from `storescope audit keygen`. If left out, a pair is made beside
                the folder on first use, and a warning says to move the secret key.
            durability: `group`: a write waits until its intent is on the disk, sharing one sync with all who wait.
                `each`: every record is on the disk before the call goes on. `none`: the system decides.
            timeout: The longest that a call waits for the disk, in seconds.
            ids: Whether records and sessions stand in the log as keyed hashes or as they are.
            region: Where the folder is kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.
            on_head: Called with the `Head` of every header and seal, to keep it elsewhere.

        Returns:
            The log, a context manager and an async one; leaving it writes the closing seal.

        Raises:
            AuditError: If the auditor's key cannot be read or made, or an option is none of those above.
        """
        if durability not in {"group", "each", "none"}:
            raise AuditError(f"durability must be group, each or none, not {durability!r}")
        if ids not in {"hashed", "clear"}:
            raise AuditError(f"ids must be hashed or clear, not {ids!r}")
        folder = Path(folder)
        public = load_public(auditor) if auditor is not None else _own_auditor(folder)
        log = cls(
            folder,
            public,
            durability=durability,
            timeout=timeout,
            clear_ids=ids == "clear",
            region=region,
            on_head=on_head,
        )
        log._try_to_start()
        return log

    def hasher_now(self) -> IdHasher:
        """Return what ids are written with, where opening failed: without a folder there is no key for them."""
        with self._lock:
            if self._stream is None and not (self._closed or self._forked):
                self._start_if_due()
        return self.hasher or NO_IDS

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Take one record, as `AuditSink` says."""
        position = self.append(phase, text)
        if self.durability == "none" or not (durable or self.durability == "each"):
            return None
        return _Waiting(self, position)

    def append(self, phase: str, text: str) -> int:
        """Chain one record and hand it to the operating system.

        Args:
            phase: Its phase, for the counts.
            text: Its JSON from `phase` on, as `CallRecords` makes it.

        Returns:
            Its position, for `wait`.

        Raises:
            AuditError: If it could not be written. It is counted, and a `gap` record will say so.
        """
        with self._lock:
            stream = self._stream or self._ready()
            try:
                if self._unlogged:
                    self._write_gap(stream)
                stream.write(text)
            except OSError as error:
                if stream.torn:  # half a line stays at its end: go on in a new stream
                    self._stream = None
                    if self._syncer is not None:
                        self._syncer.lose(self._position)
                    stream.close()
                raise self._failed("write", error.strerror) from None
            self.stats.records[phase] += 1
            self._position = position = self._position + 1
            if self._syncer is not None:  # under the lock, so that positions reach it in order
                self._syncer.wrote(position)
        return position

    async def wait(self, position: int) -> None:
        """Wait until a record is on the disk.

        Args:
            position: What `append` returned.

        Raises:
            AuditError: If the disk refused, or took longer than the log's time-out.
        """
        if self._syncer is None:
            return
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                await self._syncer.wait(position)
        except TimeoutError:
            self.stats.failures["timeout"] += 1
            raise AuditError(f"the audit record was not on the disk within {self._timeout:g} s") from None
        except OSError as error:
            self.stats.failures["sync"] += 1
            raise AuditError(f"the audit record is not on the disk: {error.strerror}") from None
        finally:
            self.stats.waited(time.perf_counter() - begun)

    def disk_free_bytes(self) -> float:
        """Return the free space where the log lies, in bytes; NaN if it cannot be told."""
        try:
            found = os.statvfs(self.folder)
        except OSError:
            return float("nan")
        return float(found.f_bavail * found.f_frsize)

    def close(self) -> None:
        """Seal the stream and close it. A record after this is refused.

        Raises:
            AuditError: If the seal could not be written.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._syncer is not None:  # it must still find the stream: some may be waiting for it
                self._syncer.stop(self._timeout)
            stream, self._stream = self._stream, None
            if stream is None:
                return
            try:
                if self._unlogged:
                    self._write_gap(stream)
                stream.seal()
            except OSError as error:
                raise self._failed("write", error.strerror) from None
            finally:
                stream.close()
            self.stats.records["seal"] += 1
            self.stats.last_seal = time.time()
        self._announce(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _write_gap(self, stream: Stream) -> None:
        stream.write(own_record("gap", {"unlogged": self._unlogged}))
        self.stats.records["gap"] += 1
        self._unlogged = 0

    def _ready(self) -> Stream:
        """Return the stream to write to, opening one if the last attempt failed and it is time to try again."""
        if self._closed:
            raise self._failed("closed", "it is closed")
        if self._forked:
            raise self._failed("closed", "it was opened before a fork; open one in each process")
        self._start_if_due()
        if self._stream is None:
            raise self._failed("open", "its folder cannot be used")
        return self._stream

    def _after_fork(self) -> None:
        """Leave the stream to the parent: two writers in one chain would break it."""
        self._lock = threading.Lock()
        self._stream = None
        self._syncer = None
        self._forked = True

    def _failed(self, reason: str, why: str | None) -> AuditError:
        self._unlogged += 1
        self.stats.failures[reason] += 1
        return AuditError(f"the audit log cannot be written: {why or reason}")

    def _try_to_start(self) -> None:
        with self._lock:
            self._start()

    def _start_if_due(self) -> None:
        """Open a stream if the last attempt is long enough ago."""
        if time.monotonic() < self._reopen_at:
            return
        try:
            self._start()
        except AuditError as error:  # a damaged key, long after the log was opened, is answered like a full disk
            self._open_failed(str(error))

    def _open_failed(self, reason: str | None) -> None:
        self._reopen_at = time.monotonic() + _REOPEN_SECONDS
        self.stats.failures["open"] += 1
        logger().error("storescope.audit.open_failed", folder=str(self.folder), reason=reason)

    def _start(self) -> None:
        """Open a stream; if that fails, say so and leave it for later."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            id_key = load_or_make_id_key(self.folder)
            self.hasher = ClearIds(id_key) if self._clear_ids else IdHasher(id_key)
            self._stream = Stream(self.folder, self._auditor, id_key)
        except OSError as error:
            self._open_failed(error.strerror)
            return
        self.stats.records["header"] += 1
        if self.durability != "none" and self._syncer is None:
            self._syncer = Syncer(self._sync)
        self._announce(self._stream)

    def _sync(self) -> None:
        stream = self._stream
        if stream is None:  # torn and left: what it holds may not be on the disk
            raise OSError(errno.EIO, "its stream was abandoned")
        stream.sync()

    def _announce(self, stream: Stream) -> None:
        """Let the head leave the machine: through the application's logging, and to who asked for it."""
        head = stream.head
        logger().info("storescope.audit.head", stream=head.stream, seq=head.seq, mac=head.mac)
        if self._on_head is not None:
            try:
                self._on_head(head)
            except Exception as error:  # the receiver's own fault must not stop the log
                logger().error("storescope.audit.on_head_failed", error_type=type(error).__qualname__)


class _Waiting:
    """A wait that begins when it is awaited; who cannot wait may leave it."""

    __slots__ = ("_log", "_position")

    def __init__(self, log: AuditLog, position: int) -> None:
        self._log, self._position = log, position

    def __await__(self) -> Generator[Any, None, None]:
        return self._log.wait(self._position).__await__()


_open_logs: WeakSet[AuditLog] = WeakSet()


def _after_fork_in_child() -> None:
    for log in _open_logs:
        log._after_fork()  # noqa: SLF001 (the same module)


os.register_at_fork(after_in_child=_after_fork_in_child)


def _own_auditor(folder: Path) -> PublicKey:
    """Return the key of the pair beside the folder; make the pair on first use."""
    name = folder.resolve()
    public, secret = (name.with_name(f"{name.name}.{ending}") for ending in ("pub", "key"))
    if public.exists():
        return load_public(public)
    try:
        generate(name)
    except AuditError:
        if not secret.exists():
            raise
        return load_secret(secret).public_key  # another process was first, and is about to write the public one
    auditor = load_public(public)
    logger().warning(
        "storescope.audit.key_made",
        secret_key=str(secret),
        auditor=fingerprint(auditor),
        advice="move the secret key to another machine: who has it and this folder can rewrite the log",
    )
    return auditor
