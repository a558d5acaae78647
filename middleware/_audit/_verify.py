"""Verifies an audit folder: every MAC, every number, every seal, and what streams say of each other."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope.errors import AuditError
from storescope.middleware._audit._chain import NO_MAC
from storescope.middleware._audit._keys import StreamKeys, fingerprint, load_secret
from storescope.middleware._audit._record import FIELDS, FORMAT, MAC_TAIL_BYTES
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nacl.public import PrivateKey

# A line is a few hundred bytes; a header with many announcements may be long. Past this, a file is hostile.
_MOST_LINE_BYTES = 16 * 1024 * 1024
_BEHIND = "something stands behind the closing seal"


class Verdict(IntEnum):
    """The exit codes of `storescope audit verify`."""

    INTACT = 0
    ALTERED = 1
    USAGE = 2
    UNSEALED = 3
    TRUNCATED = 4
    MISSING = 5


# The first of these that holds anywhere in the folder is the folder's verdict.
_WORST_FIRST = (Verdict.ALTERED, Verdict.TRUNCATED, Verdict.MISSING, Verdict.UNSEALED, Verdict.INTACT)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where.

    Attributes:
        verdict: How bad it is.
        stream: The stream's id.
        line: The line in its file, from 1; 0 where the file as a whole is meant.
        what: One sentence.
    """

    verdict: Verdict
    stream: str
    line: int
    what: str


@dataclass(slots=True)
class Report:
    """The result of a verification.

    Attributes:
        verdict: The folder's exit code.
        streams: How many streams were read.
        records: How many records were verified.
        findings: What is wrong; empty if the log is intact.
    """

    verdict: Verdict = Verdict.INTACT
    streams: int = 0
    records: int = 0
    findings: list[Finding] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            **asdict(self),
            "verdict": self.verdict.name.lower(),
            "exit_code": int(self.verdict),
            "anchored": False,
            "findings": [
                {**asdict(finding), "verdict": finding.verdict.name.lower()} for finding in self.findings
            ],
        }

    def summary(self) -> str:
        """Return one line for people."""
        counts = f"{self.records} records in {self.streams} stream{'s' if self.streams != 1 else ''}"
        if self.verdict is Verdict.INTACT:
            return f"intact: {counts}; self-consistent, not anchored"
        worst = next(finding for finding in self.findings if finding.verdict is self.verdict)
        stream = worst.stream.encode("unicode_escape").decode()  # a file's name, or what a forged header says
        where = f"stream {stream}" + (f", line {worst.line}" if worst.line else "")
        return f"{self.verdict.name.lower()}: {where}: {worst.what} ({counts} verified)"


class _BrokenError(Exception):
    """Ends the verification of one stream."""

    def __init__(self, verdict: Verdict, line: int, what: str) -> None:
        super().__init__(what)
        self.verdict, self.line, self.what = verdict, line, what


def verify(folder: str | Path, key: str | Path) -> Report:
    """Verify every stream of a folder.

    Args:
        folder: The audit folder.
        key: The auditor's secret key, `NAME.key`.

    Returns:
        The report.

    Raises:
        AuditError: If the folder holds no stream or cannot be read, or the key is not the one it is sealed to.
    """
    secret = load_secret(key)
    try:
        paths = sorted(Path(folder).glob("*.jsonl"))
        if not paths:
            raise AuditError(f"{folder}: holds no audit stream")
        report = Report(streams=len(paths))
        announced: defaultdict[str, dict[int, str]] = defaultdict(dict)
        ends: dict[str, _Chain] = {}
        for path in paths:
            stream = path.name.split(".")[0]
            chain = ends[stream] = _Chain(stream, secret)
            _verify_stream(path, chain, report, announced)
    except OSError as error:
        raise AuditError(f"{error.filename or folder}: cannot be read: {error.strerror}") from None
    _check_announcements(announced, ends, report)
    found = {finding.verdict for finding in report.findings}
    report.verdict = next(verdict for verdict in _WORST_FIRST if verdict in found or verdict is Verdict.INTACT)
    return report


def _verify_stream(path: Path, chain: _Chain, report: Report, announced: defaultdict[str, dict[int, str]]) -> None:
    try:
        for number, line in _lines(path, chain):
            record = chain.follow(number, line)
            if record["phase"] == "header":
                for stream, seq, mac in _heads(number, record):
                    announced[stream][seq] = mac
        chain.finish()
    except _BrokenError as broken:
        report.findings.append(Finding(broken.verdict, chain.stream, broken.line, broken.what))
    report.records += chain.seq


def _heads(number: int, header: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Return what a header announces; who holds the public key can write one whose MAC fits, whatever it says."""
    try:
        heads = [(head["stream"], head["seq"], head["mac"]) for head in header["heads"]]
        well_formed = type(header["heads"]) is list and all(
            type(stream) is str and type(seq) is int and type(mac) is str for stream, seq, mac in heads
        )
    except (KeyError, TypeError):
        well_formed, heads = False, []
    if not well_formed:
        raise _BrokenError(Verdict.ALTERED, number, "what the header announces is not as the format says")
    return heads


def _lines(path: Path, chain: _Chain) -> Iterator[tuple[int, bytes]]:
    if path.name != f"{chain.stream}.000001.jsonl" or not path.is_file():
        raise _BrokenError(Verdict.ALTERED, 0, f"{path.name!a} is not a file that a writer makes")
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MOST_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == _MOST_LINE_BYTES:
                    raise _BrokenError(Verdict.ALTERED, number, "the line is longer than any record can be")
                raise chain.torn(number)
            yield number, line[:-1]


class _Chain:
    """Follows one stream from its header on."""

    def __init__(self, stream: str, secret: PrivateKey) -> None:
        self.stream = stream
        self.seq = 0
        self.macs: dict[int, str] = {}
        self._secret = secret
        self._hmac: Hmac | None = None
        self._mac = NO_MAC
        self._sealed = False

    def follow(self, number: int, line: bytes) -> dict[str, Any]:
        """Check one line and return its record.

        Raises:
            _BrokenError: If it is not what the writer wrote next.
            AuditError: If the header is sealed to another key.
        """
        record = _parse(number, line)
        if self._sealed:
            raise _BrokenError(Verdict.ALTERED, number, _BEHIND)
        if self._hmac is None:
            self._hmac = self._open(number, record)
        body = line[:-MAC_TAIL_BYTES]
        mac = self._hmac.digest(self._mac + body)
        if not compare_digest(mac.hex(), record["mac"]):
            raise _BrokenError(Verdict.ALTERED, number, "the MAC does not fit the line and what is before it")
        if record["seq"] != self.seq + 1 or record["stream"] != self.stream:
            raise _BrokenError(Verdict.ALTERED, number, "the record belongs to another place or stream")
        if record["phase"] == "seal":
            self._check_seal(number, record)
        self.seq, self._mac = record["seq"], mac
        self.macs[self.seq] = record["mac"]
        return record

    def torn(self, number: int) -> _BrokenError:
        """Return what a last line without its line feed means."""
        if self._sealed:
            return _BrokenError(Verdict.ALTERED, number, _BEHIND)
        return _BrokenError(Verdict.UNSEALED, number, "the last line is torn: the writer was stopped in it")

    def finish(self) -> None:
        """Check that the stream was closed."""
        if self._hmac is None:
            raise _BrokenError(Verdict.UNSEALED, 0, "the stream has no header yet")
        if not self._sealed:
            raise _BrokenError(
                Verdict.UNSEALED,
                self.seq,
                "intact up to an unsealed end: the writer is open, crashed, or the end was cut",
            )

    def _open(self, number: int, header: dict[str, Any]) -> Hmac:
        if header["phase"] != "header" or header.get("format") != FORMAT:
            raise _BrokenError(Verdict.ALTERED, number, f"the stream does not begin with a header of {FORMAT}")
        if header.get("auditor") != fingerprint(self._secret.public_key):
            raise AuditError(
                f"the key is not the one that stream {self.stream} is sealed to "
                f"(the header names {header.get('auditor')!a}, the key is {fingerprint(self._secret.public_key)})"
            )
        try:
            return Hmac(StreamKeys.unseal(header["sealed"], self._secret).mac)
        except (ValueError, KeyError):
            raise _BrokenError(Verdict.ALTERED, number, "the header's sealed keys were altered") from None

    def _check_seal(self, number: int, seal: dict[str, Any]) -> None:
        wanted = {"epoch": 1, "first": 1, "last": self.seq, "count": self.seq, "last_mac": self._mac.hex()}
        if any(seal.get(key) != value for key, value in wanted.items()):
            raise _BrokenError(Verdict.ALTERED, number, "the seal does not fit what it seals")
        self._sealed = seal.get("final") is True


def _parse(number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=_distinct)
        tail_fits = line[-MAC_TAIL_BYTES:] == b',"mac":"%b"}' % record["mac"].encode("ascii")
        well_formed = tail_fits and tuple(record)[: len(FIELDS)] == FIELDS and type(record["seq"]) is int
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        well_formed = False
        record = {}
    if not well_formed:
        raise _BrokenError(Verdict.ALTERED, number, "the line is not an audit record")
    return dict(record)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that is given twice: another reader might take the other value."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _check_announcements(
    announced: defaultdict[str, dict[int, str]], ends: dict[str, _Chain], report: Report
) -> None:
    """Check that every stream still holds what later streams say that it held."""
    broken = {finding.stream for finding in report.findings if finding.verdict is Verdict.ALTERED}
    for stream, heads in announced.items():
        if stream not in ends:
            what = "another stream announces it, and it is not here"
            report.findings.append(Finding(Verdict.MISSING, stream, 0, what))
        elif stream not in broken and any(ends[stream].macs.get(seq) != mac for seq, mac in heads.items()):
            what = "it is shorter or other than another stream announces"
            report.findings.append(Finding(Verdict.TRUNCATED, stream, ends[stream].seq, what))
