"""One stream: a series of files that one writer appends chained records to, from its header to its last seal."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from binascii import hexlify
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from storescope.middleware._audit._chain import KEY_BYTES, NO_MAC, next_key
from storescope.middleware._audit._files import segment_name
from storescope.middleware._audit._head import Head
from storescope.middleware._audit._keys import StreamKeys, fingerprint
from storescope.middleware._audit._record import FORMAT, Clock, own_record
from storescope.middleware._files import sync_folder
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nacl.public import PublicKey

Closes = Literal["epoch", "segment", "stream"]


class Stream:
    """An open stream. Whoever owns it locks it; only `sync` may run beside the rest.

    Attributes:
        id: The stream's id: when it was opened, and eight random hex digits.
        path: The segment that is written to.
        segment: Its number.
        size: How many bytes it has.
        begun: When it was begun, on the monotonic clock, in seconds.
        ended: Whether nothing may be appended: half a line stands at its end, or no next segment could be made.
    """

    def __init__(self, folder: Path, auditor: PublicKey, id_key: bytes, heads: Iterable[Head]) -> None:
        """Open a new stream in `folder` and write its header.

        Args:
            folder: The log's folder.
            auditor: To whom its keys are sealed.
            id_key: What ids are hashed with.
            heads: How far other streams had come.

        Raises:
            OSError: If that fails; nothing is left behind.
        """
        self.id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(4)
        self.path: Path
        self.segment = self.size = 0
        self.begun = 0.0
        self.ended = False
        self._folder = folder
        self._auditor = auditor
        self._id_key = id_key
        self._clock = Clock()
        self._key = secrets.token_bytes(KEY_BYTES)
        self._hmac = Hmac(self._key)
        self._mac = NO_MAC
        self._seq = 0
        self._epoch = self._epoch_first = 1
        self._file: int
        self._changing = threading.Lock()  # of the file; held while it is synced
        self._begin(heads)

    @property
    def head(self) -> Head:
        """How far the stream has come."""
        return Head(self.id, self._seq, self._mac.hex())

    def write(self, texts: Sequence[str]) -> None:
        """Append records with one write, and so hand them to the operating system.

        Args:
            texts: The JSON of each from `phase` on, without the closing brace, in ASCII.

        Raises:
            OSError: If they could not be written whole. The stream stands as it was before, or has `ended`.
        """
        lines, mac = self._chain(texts)
        try:
            _append(self._file, lines)
        except BaseException:
            self._take_back()
            raise
        self._seq, self._mac = self._seq + len(texts), mac
        self.size += len(lines)

    def sync(self) -> None:
        """Bring everything written to the disk; segments before this one are there already.

        Raises:
            OSError: If the disk refused.
        """
        with self._changing:
            os.fdatasync(self._file)

    def seal(self, closes: Closes) -> None:
        """Write the epoch's seal, and forget its key.

        Raises:
            OSError: If it cannot be written; the epoch goes on.
        """
        last = self.head
        seal = {
            "epoch": self._epoch,
            "first": self._epoch_first,
            "last": last.seq,
            "count": last.seq - self._epoch_first + 1,
            "last_mac": last.mac,
            "closes": closes,
        }
        self.write([own_record("seal", seal)])
        self._key = next_key(self._key)
        self._hmac = Hmac(self._key)
        self._epoch += 1
        self._epoch_first = self._seq + 1

    def rotate(self, heads: Iterable[Head]) -> tuple[Head, Head]:
        """Close this segment, on the disk, and begin the next.

        Args:
            heads: How far other streams have come.

        Returns:
            The heads of the closing seal and of the next header.

        Raises:
            OSError: If that fails: nothing has changed, or the stream has `ended`.
        """
        draft = self._draft()  # first: where no file can be made, the old one serves on
        old = self._file
        try:
            self.seal("segment")
            os.fdatasync(old)
        except OSError:
            self._discard(draft)
            raise
        closing = self.head
        try:
            self._begin(heads, draft)
        except OSError:
            self.ended = True
            raise
        os.close(old)
        return closing, self.head

    def close(self) -> None:
        """Close the file; without a seal, the stream stays as one that was left."""
        with self._changing:
            os.close(self._file)

    def forget(self) -> None:
        """Close the file in a forked child, where no other thread is and locks are as the fork found them."""
        os.close(self._file)

    def fate(self) -> str | None:
        """Return what somebody did to the file that is written to: `deleted`, `replaced`, `shorter`, `longer`.

        Raises:
            OSError: If that cannot be told.
        """
        mine = os.fstat(self._file)
        try:
            there = self.path.lstat()
        except FileNotFoundError:
            return "deleted"
        if (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
            return "replaced"
        if there.st_size == self.size:
            return None
        return "shorter" if there.st_size < self.size else "longer"

    def _begin(self, heads: Iterable[Head], draft: int | None = None) -> None:
        """Write the next segment's header into a draft, and give it its name once it is whole and on the disk."""
        number = self.segment + 1
        file = self._draft() if draft is None else draft
        header = {
            "format": FORMAT,
            "version": version("storescope"),
            "segment": number,
            "epoch": self._epoch,
            "prev": self._mac.hex(),
            "auditor": fingerprint(self._auditor),
            "sealed": StreamKeys(mac=self._key, ids=self._id_key).seal(self._auditor),
            "heads": [head.to_dict() for head in heads],
        }
        line, mac = self._chain([own_record("header", header)])
        path = self._folder / segment_name(self.id, number)
        try:
            _append(file, line)
            os.fdatasync(file)
            self._draft_path(number).rename(path)
            sync_folder(self._folder)
        except OSError:
            self._discard(file)
            raise
        with self._changing:
            self._file = file
        self._seq, self._mac = self._seq + 1, mac
        self.path, self.segment, self.size, self.begun = path, number, len(line), time.monotonic()

    def _draft(self) -> int:
        """Make the next segment's file, locked as long as it is open, so that others see that its writer lives."""
        path = self._draft_path(self.segment + 1)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        with suppress(OSError):  # a file system without locks: then nobody takes its writer for dead
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def _draft_path(self, number: int) -> Path:
        return self._folder / f"{self.id}.{number:06d}.part"

    def _discard(self, file: int) -> None:
        os.close(file)
        with suppress(OSError):
            self._draft_path(self.segment + 1).unlink()

    def _chain(self, texts: Sequence[str]) -> tuple[bytes, bytes]:
        """Return the lines of records that come next, and the MAC of the last."""
        mac, begin, lines = self._mac, f'"stream":"{self.id}","ts":"{self._clock.stamp()}"', []
        for seq, text in enumerate(texts, self._seq + 1):
            body = f'{{"seq":{seq},{begin},{text}'.encode()
            mac = self._hmac.digest(mac + body)
            lines.append(b'%b,"mac":"%b"}\n' % (body, hexlify(mac)))
        return b"".join(lines), mac

    def _take_back(self) -> None:
        """Cut off what was written of lines that could not be written whole."""
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.ended = True


def _append(file: int, lines: bytes) -> None:
    """Write all or raise `OSError`; a disk that is nearly full takes a part."""
    if os.write(file, lines) != len(lines):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
