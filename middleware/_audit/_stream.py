"""One stream: a file that one writer appends chained records to, from its header to its closing seal."""

from __future__ import annotations

import errno
import os
import secrets
import time
from binascii import hexlify
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from storescope.middleware._audit._chain import KEY_BYTES, NO_MAC
from storescope.middleware._audit._keys import StreamKeys, fingerprint, sync_folder
from storescope.middleware._audit._record import FORMAT, Clock, own_record
from storescope.middleware._audit._tails import heads_of
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nacl.public import PublicKey


@dataclass(frozen=True, slots=True)
class Head:
    """How far a stream had come: kept elsewhere, it is proof that nothing before it was cut off or replaced.

    Attributes:
        stream: The stream's id.
        seq: The record's number.
        mac: The record's MAC, hex.
    """

    stream: str
    seq: int
    mac: str


class Stream:
    """An open stream. It is not locked: the log that owns it does that.

    Attributes:
        id: The stream's id: when it was opened, and eight random hex digits.
        path: Its file.
        size: How many bytes were written.
        torn: Whether half a line stands at its end, so that nothing may be appended.
    """

    def __init__(self, folder: Path, auditor: PublicKey, id_key: bytes) -> None:
        """Open a new stream in `folder` and write its header.

        Raises:
            OSError: If that fails; a file that nothing was written to is taken away.
        """
        announced = heads_of(folder)
        self.id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(4)
        self.path = folder / f"{self.id}.000001.jsonl"
        self.size = 0
        self.torn = False
        self._clock = Clock()
        key = secrets.token_bytes(KEY_BYTES)
        self._hmac = Hmac(key)
        self._mac = NO_MAC
        self._seq = 0
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        try:
            self._write_header(auditor, StreamKeys(mac=key, ids=id_key), announced)
        except OSError:
            os.close(self._file)
            if not self.size and not self.torn:  # on a full disk every attempt would leave one
                with suppress(OSError):
                    self.path.unlink()
            raise

    @property
    def head(self) -> Head:
        """How far the stream has come."""
        return Head(self.id, self._seq, self._mac.hex())

    def write(self, text: str) -> None:
        """Append one record and hand it to the operating system.

        Args:
            text: Its JSON from `phase` on, without the closing brace, in ASCII.

        Raises:
            OSError: If it could not be written whole. The stream stands as it was before.
        """
        seq = self._seq + 1
        body = f'{{"seq":{seq},"stream":"{self.id}","ts":"{self._clock.stamp()}",{text}'.encode()
        mac = self._hmac.digest(self._mac + body)
        line = b'%b,"mac":"%b"}\n' % (body, hexlify(mac))
        written = 0
        try:
            written = os.write(self._file, line)
        finally:
            if written != len(line):
                self._take_back()
        if written != len(line):  # what a disk that is nearly full does
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._seq, self._mac = seq, mac
        self.size += len(line)

    def sync(self) -> None:
        """Bring everything written to the disk."""
        os.fdatasync(self._file)

    def seal(self) -> None:
        """Write the closing seal and bring it to the disk.

        Raises:
            OSError: If that fails.
        """
        last = self.head
        seal = {
            "epoch": 1,
            "first": 1,
            "last": last.seq,
            "count": last.seq,
            "last_mac": last.mac,
            "final": True,
        }
        self.write(own_record("seal", seal))
        self.sync()

    def close(self) -> None:
        """Close the file; without a seal, the stream stays as one that was left."""
        os.close(self._file)

    def _take_back(self) -> None:
        """Cut off what was written of a line that could not be written whole."""
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.torn = True

    def _write_header(
        self, auditor: PublicKey, keys: StreamKeys, announced: Sequence[tuple[str, int, str]]
    ) -> None:
        header = {
            "format": FORMAT,
            "version": version("storescope"),
            "segment": 1,
            "epoch": 1,
            "prev": NO_MAC.hex(),
            "auditor": fingerprint(auditor),
            "sealed": keys.seal(auditor),
            "heads": [{"stream": stream, "seq": seq, "mac": mac} for stream, seq, mac in announced],
        }
        self.write(own_record("header", header))
        self.sync()
        sync_folder(self.path.parent)
