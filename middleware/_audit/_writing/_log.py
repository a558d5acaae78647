"""The audit log in a folder: what users open, hand records to, and close."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from weakref import WeakSet

from storescope.errors import AuditError
from storescope.middleware._audit._sinks._processors import Processors
from storescope.middleware._audit._writing._auditor import auditor_of
from storescope.middleware._audit._writing._chores import Chores
from storescope.middleware._audit._writing._journal import Journal, refused
from storescope.middleware._audit._writing._options import Options
from storescope.middleware._audit._writing._override import Override, Overrides, who
from storescope.middleware._audit._writing._stats import AuditStats
from storescope.middleware._audit._writing._sync import Syncer
from storescope.middleware._audit._writing._upkeep import Upkeep
from storescope.middleware._audit._writing._waiters import Wait, Waiter, settle
from storescope.middleware._audit._writing._writer import Handed, Writer
from storescope.middleware._log import tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    from nacl.public import PublicKey

    from storescope.middleware._audit._head import Head
    from storescope.middleware._audit._sinks._processors import Processor
    from storescope.middleware._audit._writing._options import Durability
    from storescope.middleware._audit._writing._override import OnFailure

MEBIBYTE = 1024 * 1024
MOST_CHARS = 15 * MEBIBYTE
"""Of a record, all ASCII: a verifier takes lines of up to 16 MiB."""

HANGS_AFTER = 0.9
"""The part of the time-out after which a disk counts as hung: who has waited in vain must not wait once more."""

CLOSE_SECONDS = 5.0
"""How long closing waits at least for a slow disk."""


class AuditLog:
    """An append-only, chained log of storage calls in a folder. Open it with `AuditLog.open`.

    Attributes:
        folder: Where it lies.
        region: Where it is kept, for policies that rule on telemetry.
        stats: What it counted.
        ids: What ids are written with, and the parts of records that recur.
    """

    def __init__(self, options: Options, auditor: PublicKey) -> None:
        """Start the log's threads; `AuditLog.open` is what users call."""
        self.folder = options.folder
        self.region = options.region
        self.stats = AuditStats()
        self._options = options
        self._processors = options.processors
        self._inline = options.durability == "none"
        self._always_durable = options.durability == "each"
        self._closed = self._forked = False
        self._opened = threading.Event()
        self._fault: AuditError | None = None
        self._chores = Chores()
        self._journal = Journal(options, auditor, self.stats, on_head=self._announce_later, on_left=self._lost)
        self.ids = self._journal.ids
        self._upkeep = Upkeep(options, self._journal)
        self._syncer = None if self._inline else Syncer(self._journal.sync)
        self._position = 0
        self._writer = Writer(begin=self._begin, write=self._write, tend=self._tend, finish=self._finish)
        self._overrides = Overrides(options.override_file, partial(self._journal.say, "override"))
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
        processors: Sequence[Processor] = (),
        region: str | None = None,
        on_head: Callable[[Head], None] | None = None,
        seal_seconds: float = 60.0,
        segment_bytes: int = 64 * MEBIBYTE,
        segment_seconds: float = 86_400.0,
        compress: bool = True,
        retain_days: float | None = None,
        reserve_bytes: int = 16 * MEBIBYTE,
        override_file: str | Path | None = None,
    ) -> AuditLog:
        """Open the log in a folder and start a new stream in it.

        A folder that cannot be written now does not raise: it is logged, each call is answered as `audit`'s
        `on_failure` says, and opening is tried again once a second.

        Args:
            folder: Where the log lies; made if it is missing. Several processes may share it.
            auditor: The auditor's public key, from `storescope audit keygen`. If left out, a pair is made beside
                the folder on first use, and a warning says to move the secret key.
            durability: `group`: a write waits until its intent is on the disk, sharing one sync with all who wait.
                `each`: every record is on the disk before the call goes on. `none`: the system decides, and the
                call itself hands the record to it.
            timeout: The longest that a call waits for the disk, in seconds.
            ids: Whether records and sessions stand in the log as keyed hashes or as they are.
            processors: A structlog processor chain that each call's record passes first, to enrich or redact it.
            region: Where the folder is kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.
            on_head: Called with the `Head` of every header and seal, on a thread of the log, to keep it elsewhere.
            seal_seconds: How often the stream is sealed, idle or not, in seconds.
            segment_bytes: From which size on the next segment is begun, in bytes.
            segment_seconds: After how long the next segment is begun, in seconds.
            compress: Whether closed segments are compressed.
            retain_days: How long a closed segment is kept, in days; for ever if None.
            reserve_bytes: While less than this is free on the disk, records are refused, in bytes.
            override_file: Where `storescope audit override` leaves its word; `override.json` in the folder if
                None.

        Returns:
            The log, a context manager and an async one; leaving it writes the closing seal.

        Raises:
            AuditError: If the auditor's key cannot be read or made, or an option is none of those above.
        """
        if ids not in {"hashed", "clear"}:
            raise AuditError(f"ids must be hashed or clear, not {ids!r}")
        folder = Path(folder)
        options = Options(
            folder=folder,
            durability=durability,
            timeout=timeout,
            clear_ids=ids == "clear",
            region=region,
            on_head=on_head,
            processors=Processors(processors) if processors else None,
            seal_seconds=seal_seconds,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
            compress=compress,
            retain_days=retain_days,
            reserve_bytes=reserve_bytes,
            override_file=folder / "override.json" if override_file is None else Path(override_file),
        )
        log = cls(options, auditor_of(folder, auditor))
        log._opened.wait(timeout)
        if log._fault is not None:
            log.close()  # which raises it
        return log

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Take one record, as `AuditSink` says. Handed to the operating system, a killed process does not lose it.

        Args:
            phase: `intent` or `outcome`.
            text: Its JSON from `phase` on, without braces, in ASCII.
            durable: Whether it must be on the disk before the call goes on, where `durability` is `group`.

        Returns:
            None if it was handed over; else what is to be awaited, which takes `timeout` at most.

        Raises:
            AuditError: Here or when awaited, if it could not be written; a `gap` record will say how many were
                not.
        """
        if self._closed:  # after a fork too
            raise self._journal.failed("closed", self._why_closed())
        journal = self._journal
        if self._processors is not None:
            try:
                text = self._processors.text(phase, text)
            except AuditError as error:
                raise journal.failed("processor", str(error)) from None
        if len(text) > MOST_CHARS:
            raise journal.failed("size", f"the record has more than {MOST_CHARS} characters")
        if self._inline and journal.lock.acquire(False):  # noqa: FBT003 (by keyword it takes twice as long)
            try:
                stream = journal.stream
                if stream is not None and not self._writer.waiting:
                    journal.write_one(stream, phase, text)
                    return None
            finally:
                journal.lock.release()
        return self._hand(phase, text, durable=durable or self._always_durable)

    def override(self, on_failure: OnFailure, *, seconds: float, reason: str, by: str | None = None) -> None:
        """Let other calls, or fewer, go on while the log cannot be written; it ends by itself and is in the log.

        `storescope audit override` says the same to every process that writes to the folder.

        Args:
            on_failure: What happens to a call that cannot be logged, whatever `audit(on_failure=)` says.
            seconds: For how long, a day at most.
            reason: Why, for the auditor.
            by: Who says so; the operating system's user if None.

        Raises:
            AuditError: If one of these is not as it must be.
        """
        self._overrides.tell(Override.of(on_failure, seconds, reason, who() if by is None else by))

    def end_override(self) -> None:
        """End what `override` began, before its time."""
        self._overrides.tell(None)

    def answer(self, on_failure: OnFailure) -> OnFailure:
        """Return what happens now to a call that cannot be logged, an operator's override considered."""
        return self._overrides.answer(on_failure)

    def disk_free_bytes(self) -> float:
        """Return what was free where the log lies half a second ago, in bytes; NaN if it cannot be told."""
        return self._journal.reserve.free_bytes

    def fault(self) -> str | None:
        """Return why a record would be refused now; None if nothing is known that speaks against one."""
        if self._closed:
            return "it is closed"
        if self._writer.hangs(self._options.timeout * HANGS_AFTER):
            return "its disk does not answer"
        if self._journal.stream is None:
            return "its folder cannot be used"
        if self._journal.reserve.free_bytes < self._options.reserve_bytes:
            return "less than its reserve is free"
        return None

    def close(self) -> None:
        """Write what waits and the closing seal. A record after this is refused.

        Raises:
            AuditError: If that could not be written, or not in time.
        """
        if self._closed:
            return
        self._closed = True
        ends = time.monotonic() + max(self._options.timeout, CLOSE_SECONDS)
        self._overrides.stop()
        self._chores.stop(max(0.0, ends - time.monotonic()))
        if not self._writer.stop(max(0.0, ends - time.monotonic())):
            raise refused("its disk takes too long for the closing seal")
        if self._syncer is not None:
            self._syncer.stop(max(0.0, ends - time.monotonic()))
        if self._fault is not None:
            raise self._fault

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

    def _hand(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Leave a record to the thread that writes."""
        timeout = self._options.timeout
        long = timeout * HANGS_AFTER
        if self._writer.hangs(long):
            raise self._journal.failed("timeout", f"its disk has not answered for {timeout:g} s")
        syncer = self._syncer if durable else None
        hung = syncer is not None and syncer.hangs(long)
        waiter = Waiter.here()
        if not self._writer.hand(Handed(phase, text, waiter, durable=syncer is not None and not hung)):
            raise self._journal.failed("queue", "too many records wait for its disk")
        if waiter is None:
            return None
        return Wait(partial(self._until_taken, waiter.future, durable=syncer is not None, hung=hung))

    async def _until_taken(self, taken: asyncio.Future[None], *, durable: bool, hung: bool) -> None:
        timeout, begun = self._options.timeout, time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                await taken
        except TimeoutError:
            self.stats.failures["timeout"] += 1
            where = "on the disk" if durable else "handed to the disk"
            raise AuditError(f"the audit record was not {where} within {timeout:g} s") from None
        except OSError as error:
            self.stats.failures["sync"] += 1
            raise AuditError(f"the audit record is not on the disk: {error.strerror}") from None
        finally:
            if durable:
                self.stats.waited(time.perf_counter() - begun)
        if hung:
            self.stats.failures["timeout"] += 1
            raise AuditError(f"the audit record is not on the disk, which has not answered for {timeout:g} s")

    def _begin(self) -> None:
        """Open the first stream. On the thread that writes, as all that follows."""
        try:
            with self._journal.lock:
                self._journal.open()
        except AuditError as error:
            self._fault = error
        finally:
            self._opened.set()
        self._keep_up()

    def _write(self, records: Sequence[Handed]) -> None:
        journal = self._journal
        with journal.lock:
            written, fault = journal.write([each.phase for each in records], [each.text for each in records])
            self._position += written
            durable = [each.waiter for each in records[:written] if each.durable and each.waiter]
            if self._syncer is not None:
                self._syncer.wrote(self._position, durable)
        settle((each.waiter for each in records[:written] if each.waiter and not each.durable), None)
        settle((each.waiter for each in records[written:] if each.waiter), fault)

    def _tend(self) -> None:
        with self._journal.lock:
            heads = self._journal.tend()
        if heads:
            try:
                self._journal.sync()
            except OSError:  # what is not on the disk for sure must not be vouched for elsewhere
                self.stats.failures["sync"] += 1
                return
        for head in heads:
            self._announce_later(head)
        self._keep_up()

    def _keep_up(self) -> None:
        if self._upkeep.due():
            self._chores.do(self._upkeep.run)

    def _finish(self) -> None:
        try:
            with self._journal.lock:
                head = self._journal.close()
        except AuditError as error:
            self._fault = error
        else:
            if head is not None:
                self._announce_later(head)

    def _lost(self) -> None:
        if self._syncer is not None:
            self._syncer.lose()

    def _announce_later(self, head: Head) -> None:
        self._chores.do(partial(self._announce, head))

    def _announce(self, head: Head) -> None:
        """Let the head leave the machine: through the application's logging, and to who asked for it."""
        tell("info", "storescope.audit.head", stream=head.stream, seq=head.seq, mac=head.mac)
        if self._options.on_head is not None:
            try:
                self._options.on_head(head)
            except Exception as error:  # the receiver's own fault must not stop the log
                tell("error", "storescope.audit.on_head_failed", error_type=type(error).__qualname__)

    def _why_closed(self) -> str:
        return "it was opened before a fork; open one in each process" if self._forked else "it is closed"

    def _after_fork(self) -> None:
        """Leave the stream to the parent: two writers in one chain would break it."""
        self._forked = self._closed = True
        self._journal.forget()


_open_logs: WeakSet[AuditLog] = WeakSet()


def _after_fork_in_child() -> None:
    for log in _open_logs:
        log._after_fork()  # noqa: SLF001 (the same module)


os.register_at_fork(after_in_child=_after_fork_in_child)
