"""Makes audit folders of any length, record by record, as a busy writer leaves them."""

from __future__ import annotations

from binascii import hexlify
from typing import TYPE_CHECKING, Any

from storescope.middleware._audit._chain import NO_MAC, next_key
from storescope.middleware._audit._files import segment_name
from storescope.middleware._audit._keys import StreamKeys, fingerprint, generate, load_public
from storescope.middleware._audit._record import FORMAT, own_record
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from nacl.public import PublicKey

_STREAM = "20261122T233648Z-1f2e3d4c"
_NO_CALL = (
    '"actor":"support-agent","tenant":"acme","caller_region":"aws:eu-west-1","backend":"memory",'
    '"backend_region":"aws:eu-west-1","record":"{0}","session":"{0}","outcome":{1},"error_type":null,'
    '"duration_us":{2},"decision":"allow","code":"region_allowed","rule":"eu-only","exception":null,'
    '"policy":"9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de",'
    '"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"'
)
_RECORDS = (
    ("intent", "session.set", "null"),
    ("outcome", "session.set", '"ok"'),
    ("outcome", "session.get", '"ok"'),
)
_EPOCH_RECORDS = 20_000


def make_folder(root: Path, records: int, *, segment_bytes: int = 64 << 20) -> tuple[Path, Path]:
    """Write one stream.

    Args:
        root: Where the folder and the key are put.
        records: How many records of calls it has.
        segment_bytes: How long a segment gets.

    Returns:
        The folder and the secret key's file.
    """
    public, secret = generate(root / "auditor")
    folder = root / "audit"
    folder.mkdir()
    stream = _Stream(folder, load_public(public))
    stream.begin()
    for number in range(records):
        phase, operation, outcome = _RECORDS[number % 3]
        call_id = f"{number // 3:032x}"
        told = _NO_CALL.format(f"{number % 977:032x}", outcome, "null" if phase == "intent" else number % 10_000)
        stream.write(f'"phase":"{phase}","call_id":"{call_id}","attempt":1,"operation":"{operation}",{told}')
        if stream.size >= segment_bytes:
            stream.seal("segment")
            stream.begin()
        elif not (number + 1) % _EPOCH_RECORDS:
            stream.seal("epoch")
    stream.seal("stream")
    return folder, secret


class _Stream:
    def __init__(self, folder: Path, auditor: PublicKey) -> None:
        self.size = self._segment = self._seq = 0
        self._epoch = self._first = 1
        self._folder, self._auditor = folder, auditor
        self._mac, self._key = NO_MAC, b"k" * 32
        self._hmac = Hmac(self._key)
        self._file: IO[bytes] | None = None

    def begin(self) -> None:
        self._segment += 1
        self.size = 0
        self._file = (self._folder / segment_name(_STREAM, self._segment)).open("wb")
        header: dict[str, Any] = {
            "format": FORMAT,
            "version": "benchmark",
            "segment": self._segment,
            "epoch": self._epoch,
            "prev": self._mac.hex(),
            "auditor": fingerprint(self._auditor),
            "sealed": StreamKeys(mac=self._key, ids=b"i" * 32).seal(self._auditor),
            "heads": [],
        }
        self.write(own_record("header", header))

    def write(self, text: str) -> None:
        assert self._file is not None
        self._seq += 1
        body = f'{{"seq":{self._seq},"stream":"{_STREAM}","ts":"2026-11-22T23:36:48.123456Z",{text}'.encode()
        self._mac = self._hmac.digest(self._mac + body)
        self.size += self._file.write(b'%b,"mac":"%b"}\n' % (body, hexlify(self._mac)))

    def seal(self, closes: str) -> None:
        seal: dict[str, Any] = {
            "epoch": self._epoch,
            "first": self._first,
            "last": self._seq,
            "count": self._seq + 1 - self._first,
            "last_mac": self._mac.hex(),
            "closes": closes,
        }
        self.write(own_record("seal", seal))
        self._key = next_key(self._key)
        self._hmac = Hmac(self._key)
        self._epoch, self._first = self._epoch + 1, self._seq + 1
        if closes != "epoch" and self._file is not None:
            self._file.close()
