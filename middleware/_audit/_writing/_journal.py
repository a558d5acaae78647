"""The stream that is written to now and the one that follows it; what could not be written is counted."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from storescope.errors import AuditError
from storescope.middleware._audit._files import LAST_SEGMENT
from storescope.middleware._audit._ids import ClearIds, IdHasher, Ids
from storescope.middleware._audit._keys import load_or_make_id_key
from storescope.middleware._audit._record import own_record
from storescope.middleware._audit._writing._reserve import Reserve, ReserveError
from storescope.middleware._audit._writing._stream import Stream
from storescope.middleware._audit._writing._tails import heads_of
from storescope.middleware._log import tell, tell_seldom

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nacl.public import PublicKey

    from storescope.middleware._audit._head import Head
    from storescope.middleware._audit._writing._options import Options
    from storescope.middleware._audit._writing._stats import AuditStats

REOPEN_SECONDS = 1.0
"""How long after a stream could not be opened it is tried again."""


class Journal:
    """Writes records to one stream after another. Whoever calls it holds its lock, unless a method says otherwise.

    Attributes:
        lock: Held while the stream is used or changed.
        stream: What is written to; None where none could be opened.
        ids: What ids are written with, and the parts of records that recur.
        sealed_at: When the last seal was written, on the monotonic clock, in seconds.
        reserve: How much is free, and whether that is enough.
    """

    def __init__(
        self,
        options: Options,
        auditor: PublicKey,
        stats: AuditStats,
        *,
        on_head: Callable[[Head], None],
        on_left: Callable[[], None],
    ) -> None:
        """Open nothing yet.

        Args:
            options: What the log was opened with.
            auditor: To whom streams are sealed.
            stats: Where what is written and what fails is counted.
            on_head: Called with each head that is on the disk and may leave the machine; must not block.
            on_left: Called when a stream was left: what it holds may not be on the disk.
        """
        self.lock = threading.Lock()
        self.stream: Stream | None = None
        self.ids = Ids()
        self.sealed_at = 0.0
        self._options = options
        self._auditor = auditor
        self._stats = stats
        self._on_head = on_head
        self._on_left = on_left
        self.reserve = Reserve(options.folder, options.reserve_bytes)
        self._unlogged = 0
        self._counting = threading.Lock()
        self._own: list[tuple[str, str]] = []  # what must be said of the log itself, as soon as it can be
        self._known: list[Head] = []  # of streams that were left, which the folder may no longer tell of
        self._left: list[Stream] = []  # kept open, so that nobody takes their writer for dead
        self._reopen_at = 0.0

    def open(self) -> None:
        """Open a stream; if that fails, count it and leave it for later.

        Raises:
            AuditError: If the folder's id key is damaged.
        """
        folder = self._options.folder
        self._reopen_at = time.monotonic() + REOPEN_SECONDS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.reserve.measure()
            self.reserve.check()
            id_key = load_or_make_id_key(folder)
            self.ids.hasher = ClearIds(id_key) if self._options.clear_ids else IdHasher(id_key)
            self.stream = Stream(folder, self._auditor, id_key, [*heads_of(folder), *self._known])
        except OSError as error:
            self._open_failed(error.strerror)
            return
        self._known.clear()
        with suppress(OSError):
            self.reserve.measure()
        self._stats.records["header"] += 1
        self.sealed_at = time.monotonic()
        self._on_head(self.stream.head)

    def reopen_if_due(self) -> None:
        """Open a stream if there is none and the last attempt is long enough ago."""
        if self.stream is not None or time.monotonic() < self._reopen_at:
            return
        try:
            self.open()
        except AuditError as error:  # a damaged key, long after the log was opened, is answered like a full disk
            self._open_failed(str(error))

    def write(self, phases: Sequence[str], texts: Sequence[str]) -> tuple[int, AuditError | None]:
        """Append records, all with one write if that succeeds, else as many as can be.

        Returns:
            How many were written, and if not all, why. The others are counted, and a `gap` record will say so.
        """
        if self.stream is None:
            self.reopen_if_due()
        stream = self.stream
        if stream is None:
            return 0, self.failed("open", "its folder cannot be used", len(texts))
        written, fault = 0, None
        try:
            self.reserve.check_after(stream.size)
            if self._own or self._unlogged:
                self._say_own(stream)
        except OSError as error:
            fault = error
        else:
            written, fault = _write_most(stream, texts)
        for phase in phases[:written]:
            self._stats.records[phase] += 1
        return written, None if fault is None else self._not_written(fault, len(texts) - written)

    def write_one(self, stream: Stream, phase: str, text: str) -> None:
        """Append one record to the stream that is written to now, with few steps, since a call waits for it.

        Raises:
            AuditError: If it was not written; that is counted as in `write`.
        """
        try:
            self.reserve.check_after(stream.size)
            if self._own or self._unlogged:
                self._say_own(stream)
            stream.write_one(text)
        except OSError as fault:
            raise self._not_written(fault, 1) from None
        self._stats.records[phase] += 1

    def say(self, phase: str, text: str) -> None:
        """Have a record of the log itself written before the next one of a call, or by `tend`; needs no lock."""
        self._own.append((phase, text))

    def say_now(self) -> bool:
        """Write what is to be said of the log itself; return whether that could be done. `sync` should follow."""
        if self.stream is None:
            return False
        try:
            self._say_own(self.stream)
        except OSError:
            self._leave_if_ended()
            return False
        return True

    def tend(self) -> list[Head]:
        """Do what is due: reopen, look after the file, say what is to be said, seal, rotate.

        Returns:
            The heads that may leave the machine once they are synced.
        """
        self.reopen_if_due()
        if self.stream is None:
            return []
        try:
            self.reserve.measure()
            self._look_after(self.stream)
            return [] if self.stream is None else self._seal_if_due(self.stream)
        except OSError as error:
            self._leave_if_ended()
            self._stats.failures["write"] += 1
            tell_seldom("error", "storescope.audit.write_failed", reason=error.strerror)
            return []

    def sync(self) -> None:
        """Bring everything written to the disk; may run beside the rest.

        Raises:
            OSError: If the disk refused, or the stream was left.
        """
        stream = self.stream
        if stream is None:
            raise OSError(errno.EIO, "its stream was abandoned")
        stream.sync()

    def close(self) -> Head | None:
        """Say what is to be said, write the closing seal, sync and close.

        Returns:
            The last head, if there was a stream.

        Raises:
            AuditError: If that failed.
        """
        stream, self.stream = self.stream, None
        for left in self._left:
            left.close()
        if stream is None:
            return None
        try:
            self._say_own(stream)
            stream.seal("stream")
            stream.sync()
        except OSError as error:
            self._stats.failures["write"] += 1
            raise refused(error.strerror) from None
        finally:
            stream.close()
        self._sealed()
        return stream.head

    def failed(self, reason: str, why: str | None, count: int = 1) -> AuditError:
        """Count records that could not be written, and return the error for it; needs no lock."""
        with self._counting:
            self._unlogged += count
        self._stats.failures[reason] += count
        return refused(why or reason)

    def forget(self) -> None:
        """Let go of every file without a word: in a forked child they are the parent's."""
        streams = [*self._left, *([self.stream] if self.stream else [])]
        self.lock = threading.Lock()
        self.stream = None
        self._left = []
        for stream in streams:
            with suppress(OSError):
                stream.forget()

    def _say_own(self, stream: Stream) -> None:
        """Write what is to be said of the log itself, and what went unlogged."""
        mine, unlogged = list(self._own), self._unlogged
        own = [*mine, ("gap", own_record("gap", {"unlogged": unlogged}))] if unlogged else mine
        if not own:
            return
        stream.write([text for _, text in own])
        del self._own[: len(mine)]
        with self._counting:
            self._unlogged -= unlogged
        for phase, _ in own:
            self._stats.records[phase] += 1

    def _seal_if_due(self, stream: Stream) -> list[Head]:
        self._say_own(stream)
        options, now = self._options, time.monotonic()
        if stream.segment < LAST_SEGMENT and (
            stream.size >= options.segment_bytes or now >= stream.begun + options.segment_seconds
        ):
            closing, opening = stream.rotate(heads_of(options.folder, but=stream.id))
            self._stats.records["header"] += 1
            self._sealed()
            return [closing, opening]
        if now >= self.sealed_at + options.seal_seconds:
            stream.seal("epoch")
            self._sealed()
            return [stream.head]
        return []

    def _sealed(self) -> None:
        self._stats.records["seal"] += 1
        self._stats.last_seal = time.time()
        self.sealed_at = time.monotonic()

    def _look_after(self, stream: Stream) -> None:
        """Notice what somebody did to the file, and go on in a new stream that says so."""
        what = stream.fate()
        if what is None:
            return
        head = stream.head
        tell("error", "storescope.audit.tampered", file=str(stream.path), what=what)
        self._known.append(head)
        self.say("tamper", own_record("tamper", {"what": what, "head": head.to_dict()}))
        self._leave()
        self._reopen_at = 0.0
        self.reopen_if_due()
        self.say_now()

    def _not_written(self, fault: OSError, count: int) -> AuditError:
        self._leave_if_ended()
        reason = "reserve" if isinstance(fault, ReserveError) else "write"
        return self.failed(reason, fault.strerror, count)

    def _leave_if_ended(self) -> None:
        if self.stream is not None and self.stream.ended:
            self._leave()
            self._reopen_at = 0.0  # the next record goes into a new stream

    def _leave(self) -> None:
        if self.stream is not None:
            self._left.append(self.stream)
        self.stream = None
        self._on_left()

    def _open_failed(self, reason: str | None) -> None:
        self._stats.failures["open"] += 1
        tell_seldom("error", "storescope.audit.open_failed", folder=str(self._options.folder), reason=reason)


def _write_most(stream: Stream, texts: Sequence[str]) -> tuple[int, OSError | None]:
    """Append all at once, else what still fits; return how many, and why not all."""
    try:
        stream.write(texts)
    except OSError as error:
        if len(texts) == 1 or stream.ended:
            return 0, error
    else:
        return len(texts), None
    for written, text in enumerate(texts):
        try:
            stream.write([text])
        except OSError as error:
            return written, error
    return len(texts), None


def refused(why: str | None) -> AuditError:
    """Return the error of a call whose record cannot be written."""
    return AuditError(f"the audit log cannot be written: {why}")
