"""Makes audit folders from docs/audit-format.md alone: sound ones, and forged ones in which every MAC fits.

A forger here is who holds the folder and the auditor's public key. What such a one writes is held to the page too.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from nacl.public import PrivateKey, PublicKey, SealedBox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

CALL = (
    *("call_id", "attempt", "operation", "actor", "tenant", "caller_region", "backend", "backend_region"),
    *("record", "session", "outcome", "error_type", "duration_us"),
    *("decision", "code", "rule", "exception", "policy", "trace_id", "span_id"),
)
BEGUN = datetime(2026, 11, 22, 23, 36, 48, tzinfo=UTC)
IDS = b"i" * 32


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Head(NamedTuple):
    stream: str
    seq: int
    mac: str

    def told(self) -> dict[str, Any]:
        return self._asdict()


def write_keys(root: Path, *, seed: bytes = b"k" * 32) -> tuple[PublicKey, Path]:
    """Write an auditor's secret key; return the public one and the file."""
    secret = PrivateKey(seed)
    path = root / "auditor.key"
    path.write_text("storescope-audit-secret-1:" + base64.b64encode(bytes(secret)).decode() + "\n")
    return secret.public_key, path


@dataclass
class Maker:
    """One stream, made in memory.

    `change` may alter the body of each line before its MAC is made.
    """

    auditor: PublicKey
    stream: str
    key: bytes = b""
    change: Callable[[str], str] = str
    now: datetime = BEGUN
    seq: int = 0
    mac: bytes = bytes(32)
    segment: int = 0
    epoch: int = 1
    first: int = 1
    segments: dict[int, bytes] = field(default_factory=dict)
    seals: dict[int, dict[str, Any]] = field(default_factory=dict)  # what a tombstone says of a closed segment

    def __post_init__(self) -> None:
        self.key = self.key or hashlib.sha256(self.stream.encode(errors="surrogatepass")).digest()

    @property
    def head(self) -> Head:
        return Head(self.stream, self.seq, self.mac.hex())

    def line(self, phase: str, own: dict[str, Any] | None = None, **call: Any) -> Maker:
        """Write one record."""
        self.now += timedelta(microseconds=1017)
        record = {"seq": self.seq + 1, "stream": self.stream, "ts": stamp(self.now), "phase": phase}
        record |= {name: call.get(name) for name in CALL} | (own or {})
        body = self.change(compact(record)[:-1]).encode()
        self.mac = hmac.digest(self.key, self.mac + body, "sha256")
        self.seq += 1
        self.segments[self.segment] += body + b',"mac":"%b"}\n' % self.mac.hex().encode()
        return self

    def header(self, heads: Iterable[Head] = (), /, **other: Any) -> Maker:
        """Begin the next segment."""
        self.segment += 1
        self.segments[self.segment] = b""
        plain = compact({"mac": self.key.hex(), "ids": IDS.hex()}).encode()
        own = {
            "format": "storescope-audit/1",
            "version": "0.1.0",
            "segment": self.segment,
            "epoch": self.epoch,
            "prev": self.mac.hex(),
            "auditor": hashlib.sha256(bytes(self.auditor)).hexdigest()[:16],
            "sealed": base64.b64encode(SealedBox(self.auditor).encrypt(plain)).decode(),
            "heads": [head.told() for head in heads],
        }
        return self.line("header", own | other)

    def calls(self, count: int = 1, **more: Any) -> Maker:
        """Write the records of some writes and reads."""
        for number in range(count):
            call = {
                "call_id": f"{number:032x}",
                "attempt": 1,
                "operation": "session.set",
                "actor": "support-agent",
                "backend": "memory",
                "record": f"{number:032x}",
            }
            self.line("intent", more, **call)
            self.line("outcome", more, **call, outcome="ok", duration_us=number)
            self.line("outcome", more, **{**call, "operation": "session.get"}, outcome="not_found", duration_us=0)
        return self

    def seal(self, closes: str = "epoch", /, **other: Any) -> Maker:
        """End an epoch."""
        own = {
            "epoch": self.epoch,
            "first": self.first,
            "last": self.seq,
            "count": self.seq + 1 - self.first,
            "last_mac": self.mac.hex(),
            "closes": closes,
        }
        own |= other
        epoch = self.epoch
        self.line("seal", own)
        self.key = hmac.digest(self.key, b"storescope-audit/1 next epoch", "sha256")
        self.epoch, self.first = self.epoch + 1, self.seq + 1
        if closes != "epoch":
            self.seals[self.segment] = {
                "stream": self.stream,
                "segment": self.segment,
                "seq": self.seq,
                "mac": self.mac.hex(),
                "epoch": epoch,
                "closes": closes,
                "sealed_at": stamp(self.now),
            }
        return self

    def tombstone(self, removed: Iterable[dict[str, Any]], *, retain_days: float = 30) -> Maker:
        """Say that segments were removed."""
        return self.line("tombstone", {"removed": list(removed), "retain_days": retain_days})

    def save(self, folder: Path, *, without: Iterable[int] = (), packed: Iterable[int] = ()) -> None:
        """Write the segments' files."""
        folder.mkdir(exist_ok=True)
        for number, content in self.segments.items():
            if number in without:
                continue
            path = folder / f"{self.stream}.{number:06d}.jsonl"
            if number in packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(content, mtime=0))
            else:
                path.write_bytes(content)


def name(number: int) -> str:
    """Return a stream's name; streams are made in the order of their numbers."""
    return f"2026112{number}T000000Z-{number:08x}"


def sound_folder(root: Path) -> tuple[Path, Path, list[Head]]:
    """Write a folder that has everything the format has, and is intact.

    Returns:
        The folder, the key, and the heads that an anchor would hold.
    """
    auditor, key = write_keys(root)
    folder = root / "audit"
    gone, cut, long, last = (Maker(auditor, name(number)) for number in range(1, 5))
    gone.header().calls(1).seal("segment").header().calls(1).seal("stream")
    cut.header([gone.head]).calls(2).seal("segment")
    middle = cut.head
    cut.header().calls(1).seal().seal().calls(1).seal("segment").header([gone.head]).calls(1).seal("stream")
    long.header([cut.head]).calls(1).seal().line("gap", {"unlogged": 7}).seal().seal("segment")
    announced = long.head
    long.header().calls(1, note="added", ok=True).seal("segment").header().seal("stream")
    last.now = BEGUN + timedelta(days=40)
    last.header([announced, middle, gone.head]).calls(1)
    last.tombstone([gone.seals[1], cut.seals[1]]).calls(1).seal().tombstone([gone.seals[2]]).seal("segment")
    last.header([long.head, cut.head]).calls(2).seal("stream")
    cut.save(folder, without=[1], packed=[2])
    long.save(folder, packed=[1])
    last.save(folder)
    return folder, key, [gone.head, middle, cut.head, long.head, last.head]


def write_anchor(path: Path, heads: Iterable[Head]) -> Path:
    """Write an anchor as an application's log has it, with other lines in between."""
    told = [compact({"event": "storescope.audit.head", **head.told(), "level": "info"}) for head in heads]
    path.write_text("\n".join(["not JSON", "{}", "[1]", *told]) + "\n")
    return path
