"""Follows one stream's chain, record by record: the MAC, the number, the epoch's key and its seal."""

from __future__ import annotations

from binascii import hexlify
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope.errors import AuditError
from storescope.middleware._audit._chain import NO_MAC, next_key
from storescope.middleware._audit._json import to_json
from storescope.middleware._audit._keys import StreamKeys, fingerprint
from storescope.middleware._audit._record import FORMAT, MAC_TAIL_BYTES
from storescope.middleware._audit._verify import _parse as parse
from storescope.middleware._audit._verify._parse import INTENT, MAC_TEXT_BYTES, WRITE_OUTCOME
from storescope.middleware._audit._verify._read import BrokenError
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nacl.public import PrivateKey

    from storescope.middleware._audit._verify._notes import Notes

BEHIND = "something stands behind the closing seal"
_NO_RECORD = "the line is not an audit record"


class Beginning(NamedTuple):
    """What a verified header says of where its segment begins."""

    segment: int
    seq: int
    prev: str
    epoch: int


class Chain:
    """Where the verification of a stream stands.

    Attributes:
        stream: The stream's id.
        line: How many lines of the segment at hand were verified.
        records: How many of all.
        seq: The number of the last one.
        mac: Its MAC.
        first: The number of the first record of the epoch at hand.
        closes: What the last line closes: `segment` or `stream`; else empty.
        opened: Whether the segment at hand has a header.
        begins: The first header that was verified.
    """

    def __init__(self, stream: str, secret: PrivateKey, notes: Notes) -> None:
        self.stream = stream
        self.line = self.records = self.seq = self.first = 0
        self.mac = NO_MAC
        self.closes = ""
        self.opened = False
        self.begins: Beginning | None = None
        self._secret = secret
        self._notes = notes
        self._place = f',"stream":{to_json(stream)},"ts":"'.encode()
        self._wanted = sorted(notes.wanted.get(stream, ()))
        self._epoch = 0
        self._key = b""
        self._hmac = Hmac(b"")
        self._number = 0
        self._joined = False

    def begin(self, number: int, *, joined: bool) -> None:
        """Begin a segment; a joined one must go on from what was followed before."""
        self._number, self._joined = number, joined
        self.line, self.opened, self.closes = 0, False, ""

    def follow(self, lines: list[bytes]) -> None:
        """Follow whole lines of the segment at hand.

        Raises:
            BrokenError: At the first that is not what the writer wrote next; what is before it counts.
            AuditError: If the header is sealed to another key.
        """
        following = iter(lines)
        if not self.opened:
            for line in following:
                self._open(line)
                break
        self._follow(following)

    def _follow(self, lines: Iterator[bytes]) -> None:
        """The loop that all records pass: what is usual is taken without reading its JSON."""
        seq, previous, begun = self.seq, self.mac, self.seq
        digest, place, usual, ending = self._hmac.digest, self._place, parse.usual, -MAC_TEXT_BYTES
        wanted = self._next_wanted(seq)
        kinds = [0, 0, 0]
        fault = ""
        for line in lines:
            mac = digest(previous + line[:-MAC_TAIL_BYTES])
            if line[ending:] != hexlify(mac) + b'"}':
                fault = "the MAC does not fit the line and what is before it"
                break
            begin = b'{"seq":%d%b' % (seq + 1, place)
            call = line.startswith(begin) and usual(line, len(begin), len(line) + ending)
            if call:
                kinds[call.lastindex or 0] += 1
            else:
                fault = self._unusual(line, begin, seq + 1, previous)
                if fault:
                    break
                digest = self._hmac.digest  # it may have ended the epoch
            seq += 1
            previous = mac
            if seq == wanted:
                self._notes.find(self.stream, seq, mac.hex())
                wanted = self._next_wanted(seq)
            if not call and self.closes:
                break
        self.line += seq - begun
        self.records += seq - begun
        self.seq, self.mac = seq, previous
        self._notes.count(kinds[INTENT], kinds[WRITE_OUTCOME])
        if not fault and self.closes and next(lines, None) is not None:
            fault = BEHIND
        if fault:
            raise BrokenError(self.line + 1, fault)

    def _next_wanted(self, seq: int) -> int:
        """Return the number of the next record whose MAC somebody may ask for; 0 if there is none."""
        at = bisect_right(self._wanted, seq)
        return self._wanted[at] if at < len(self._wanted) else 0

    def _unusual(self, line: bytes, begin: bytes, seq: int, previous: bytes) -> str:
        """Check a line that is not a call's record as all are; return what is wrong with it."""
        kind = parse.kind_with_more(line, len(begin)) if line.startswith(begin) else None
        if kind is None:
            record = parse.strict(line)
            if record is None:
                return "the line is not an audit record"
            if record["seq"] != seq or record["stream"] != self.stream:
                return "the record belongs to another place or stream"
            phase = record["phase"]
            if phase == "header":
                return "a header stands where no segment begins"
            if phase == "seal":
                return self._seal(record, seq, previous)
            if phase == "tombstone":
                return self._bury(record)
            if phase == "gap" and parse.is_number(record.get("unlogged")):
                self._notes.unlogged += record["unlogged"]
            kind = parse.kind_of(record)
        self._notes.count(int(kind == INTENT), int(kind == WRITE_OUTCOME))
        return ""

    def _seal(self, seal: dict[str, Any], seq: int, previous: bytes) -> str:
        wanted = {"epoch": self._epoch, "first": self.first, "last": seq - 1, "count": seq - self.first}
        fits = all(type(seal.get(name)) is int and seal[name] == value for name, value in wanted.items())
        if not fits or seal.get("last_mac") != previous.hex():
            return "the seal does not fit what it seals"
        closes = seal.get("closes")
        if type(closes) is not str or closes not in {"epoch", "segment", "stream"}:
            return "the seal does not say what it closes: epoch, segment or stream"
        self.closes = "" if closes == "epoch" else closes
        self._epoch += 1
        self._key = next_key(self._key)
        self._hmac = Hmac(self._key)
        self.first = seq + 1
        return ""

    def _bury(self, tombstone: dict[str, Any]) -> str:
        removals = parse.removals_in(tombstone)
        if removals is None:
            return "what the tombstone says is not as the format says"
        self._notes.bury(removals, tombstone["ts"])
        return ""

    def _open(self, line: bytes) -> None:
        """Take the header of the segment at hand."""
        header = parse.strict(line)
        if header is None or header["phase"] != "header" or header.get("format") != FORMAT:
            raise BrokenError(1, f"the segment does not begin with a header of {FORMAT}")
        check_auditor(header, self.stream, self._secret)
        sound = all(parse.is_number(header.get(name)) for name in ("seq", "segment", "epoch"))
        prev = previous_mac(header)
        if not sound or prev is None or header["segment"] != self._number or header["stream"] != self.stream:
            raise BrokenError(1, "the header is not that of this segment")
        try:
            key = StreamKeys.unseal(header["sealed"], self._secret).mac
        except (ValueError, KeyError):
            raise BrokenError(1, "the header's sealed keys were altered") from None
        self._check_join(header, prev, key)
        hmac = Hmac(key)
        mac = hmac.digest(prev + line[:-MAC_TAIL_BYTES])
        if header["mac"] != mac.hex():
            raise BrokenError(1, "the MAC does not fit the header")
        heads = parse.heads_in(header)
        if heads is None:
            raise BrokenError(1, "what the header announces is not as the format says")
        self._notes.hear(heads)
        self._key, self._hmac, self._epoch = key, hmac, header["epoch"]
        self.seq = self.first = header["seq"]
        self.mac = mac
        self.line, self.opened = 1, True
        self.records += 1
        if self.begins is None:
            self.begins = Beginning(self._number, self.seq, header["prev"], self._epoch)
        if self.seq in self._notes.wanted.get(self.stream, ()):
            self._notes.find(self.stream, self.seq, mac.hex())

    def _check_join(self, header: dict[str, Any], prev: bytes, key: bytes) -> None:
        """Check that a segment begins where the one before it ended, or where a stream begins."""
        found = (header["seq"], prev, header["epoch"])
        if self._number == 1 and found != (1, NO_MAC, 1):
            raise BrokenError(1, "the header is not one that a stream begins with")
        if self._joined and found != (self.seq + 1, self.mac, self._epoch):
            raise BrokenError(1, "the segment does not go on from the one before")
        if self._joined and key != self._key:
            raise BrokenError(1, "the sealed key is not the one that follows from the segment before")


def check_auditor(header: dict[str, Any], stream: str, secret: PrivateKey) -> None:
    """Check that a header names the key at hand.

    Raises:
        AuditError: If it names another.
    """
    named, own = header.get("auditor"), fingerprint(secret.public_key)
    if named != own:
        raise AuditError(
            f"the key is not the one that stream {stream!a} is sealed to "
            f"(the header names {named!a:.40}, the key is {own})"
        )


def previous_mac(header: dict[str, Any]) -> bytes | None:
    """Return the MAC that a segment goes on from; None if the header gives none."""
    prev = header.get("prev")
    try:
        mac = bytes.fromhex(prev) if type(prev) is str else b""
    except ValueError:
        return None
    return mac if mac.hex() == prev and len(mac) == len(NO_MAC) else None
