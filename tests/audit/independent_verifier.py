"""A second verifier, written from docs/audit-format.md alone. It takes its time and its memory."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import nacl.exceptions
import nacl.public

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIELDS = (
    *("seq", "stream", "ts", "phase", "call_id", "attempt", "operation", "actor", "tenant", "caller_region"),
    *("backend", "backend_region", "record", "session", "outcome", "error_type", "duration_us", "decision"),
    *("code", "rule", "exception", "policy", "trace_id", "span_id"),
)
FORMAT = "storescope-audit/1"
ENDING = 74
LONGEST = 16 * 1024 * 1024
HEAD = {"stream": str, "seq": int, "mac": str}
REMOVED = {
    "stream": str,
    "segment": int,
    "seq": int,
    "mac": str,
    "epoch": int,
    "closes": str,
    "sealed_at": str,
}


class AlteredError(Exception):
    pass


@dataclass
class Stream:
    macs: dict[int, set[str]] = field(default_factory=dict)
    header: dict[str, Any] | None = None  # of the first segment that is there
    altered: bool = False


@dataclass
class Folder:
    secret: nacl.public.PrivateKey
    codes: set[int] = field(default_factory=set)
    heads: list[dict[str, Any]] = field(default_factory=list)
    tombstones: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)


@dataclass
class Place:
    """Where the reading of a stream stands."""

    number: int
    seq: int = 0
    mac: bytes = bytes(32)
    epoch: int = 1
    first: int = 1
    key: bytes = b""
    closes: str | None = None
    sound: bool = True


def verdict(folder: Path, key_file: Path, anchor: Path | None = None, retention: float | None = None) -> int:
    """Return the folder's exit code."""
    text = key_file.read_text().strip()
    found = Folder(nacl.public.PrivateKey(base64.b64decode(text.removeprefix("storescope-audit-secret-1:"))))
    files = [path for path in folder.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz"))]
    segments: dict[str, dict[int, list[Path]]] = {}
    for file in files:
        name = re.fullmatch(r"([^.]+)\.([0-9]{6})\.jsonl(\.gz)?", file.name, re.DOTALL)
        if name and int(name[2]):
            segments.setdefault(name[1], {}).setdefault(int(name[2]), []).append(file)
        else:
            found.codes.add(1)
    everything = [forms for numbered in segments.values() for forms in numbered.values()]
    if not files or any(names_another_key(forms, found.secret) for forms in everything):
        return 2
    for stream, numbered in segments.items():
        found.streams[stream] = Stream()
        read_stream(stream, numbered, found)
    if anchor is not None:
        found.heads += anchor_heads(anchor)
    judge(found, segments, retention)
    return next(code for code in (1, 4, 5, 3, 0) if code in found.codes or code == 0)


def read_stream(stream: str, numbered: dict[int, list[Path]], found: Folder) -> None:
    """Read the segments that are there, in order."""
    last: Place | None = None
    for number in sorted(numbered):
        if last and last.sound and last.closes == "stream":
            found.codes.add(1)
            found.streams[stream].altered = True
            last = Place(number, sound=False)
            continue
        if last and last.sound and last.closes is None:
            found.codes.add(4)
        goes_on = last and last.sound and last.closes == "segment" and last.number == number - 1
        before, last = last if goes_on else None, Place(number)
        try:
            read_segment(stream, numbered[number], before, last, found, first=number == min(numbered))
        except AlteredError:
            found.codes.add(1)
            found.streams[stream].altered = True
            last.sound = False
    if last and last.sound and last.closes != "stream":
        found.codes.add(3)


def read_segment(
    stream: str, forms: list[Path], before: Place | None, at: Place, found: Folder, *, first: bool
) -> None:
    text, whole = content(forms)
    *lines, rest = text.split(b"\n")
    for number, line in enumerate(lines):
        record = parse(line)
        if at.closes or (record["phase"] == "header") != (number == 0):
            raise AlteredError
        if number == 0:
            open_header(record, stream, before, at, found.secret)
        mac = hmac.digest(at.key, at.mac + line[:-ENDING], "sha256")
        if (record["mac"], record["seq"], record["stream"]) != (mac.hex(), at.seq + 1, stream):
            raise AlteredError
        if number == 0:
            found.heads += objects(record.get("heads"), HEAD)
            found.streams[stream].header = record if first else found.streams[stream].header
        at.seq += 1
        if record["phase"] == "seal":
            check_seal(record, at)
        elif record["phase"] == "tombstone":
            take_tombstone(record, found)
        at.mac = mac
        found.streams[stream].macs.setdefault(at.seq, set()).add(mac.hex())
    if not whole or (at.closes and rest) or len(rest) >= LONGEST:
        raise AlteredError


def take_tombstone(record: dict[str, Any], found: Folder) -> None:
    removed = objects(record.get("removed"), REMOVED)
    if type(record.get("retain_days")) not in {int, float}:
        raise AlteredError
    found.tombstones += [{**entry, "at": record["ts"]} for entry in removed]


def content(forms: list[Path]) -> tuple[bytes, bool]:
    """Return a segment's bytes, unpacked as far as it goes, and whether it does to the end."""
    if not all(form.is_file() for form in forms):
        raise AlteredError
    first, *more = (unpacked(form) if form.suffix == ".gz" else (form.read_bytes(), True) for form in forms)
    if any(other != first or not other[1] for other in more):
        raise AlteredError
    return first


def unpacked(path: Path) -> tuple[bytes, bool]:
    lines: list[bytes] = []
    try:
        with gzip.open(path) as file:
            while line := file.readline():
                lines.append(line)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return b"".join(lines), False
    return b"".join(lines), True


def names_another_key(forms: list[Path], secret: nacl.public.PrivateKey) -> bool:
    try:
        line, feed, _ = content(forms)[0].partition(b"\n")
        header = parse(line)
    except AlteredError:
        return False
    ours = hashlib.sha256(bytes(secret.public_key)).hexdigest()[:16]
    is_header = feed and (header["phase"], header.get("format")) == ("header", FORMAT)
    return bool(is_header) and header.get("auditor") != ours


def parse(line: bytes) -> dict[str, Any]:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    if len(line) >= LONGEST or any(not 0x20 <= byte <= 0x7E for byte in line):
        raise AlteredError
    try:
        record = json.loads(line.decode("ascii"), object_pairs_hook=distinct, parse_constant=refuse)
        sound = line[-ENDING:] == f',"mac":"{record["mac"]}"}}'.encode("ascii") and list(record)[-1] == "mac"
        sound = sound and list(record)[: len(FIELDS)] == list(FIELDS) and type(record["seq"]) is int
        sound = sound and inside(record) <= 99
    except (ValueError, TypeError, KeyError, RecursionError):
        raise AlteredError from None
    if not sound:
        raise AlteredError
    return dict(record)


def inside(value: Any) -> int:
    """Return how many objects and lists the deepest value stands in."""
    if not isinstance(value, dict | list) or not value:
        return 0
    return 1 + max(inside(one) for one in (value.values() if isinstance(value, dict) else value))


def objects(given: Any, types: Mapping[str, type[Any]]) -> list[dict[str, Any]]:
    """Return a list of objects that have these values."""
    if type(given) is not list or any(type(one) is not dict for one in given):
        raise AlteredError
    values: list[tuple[Any, type[Any]]] = [
        (one.get(name), wanted) for one in given for name, wanted in types.items()
    ]
    if any(type(value) is not wanted or (wanted is int and not 1 <= value < 2**63) for value, wanted in values):
        raise AlteredError
    return list(given)


def open_header(
    header: dict[str, Any], stream: str, before: Place | None, at: Place, secret: nacl.public.PrivateKey
) -> None:
    """Check that a header begins this segment, and take its key."""
    if header.get("format") != FORMAT:
        raise AlteredError
    objects([header], {"seq": int, "segment": int, "epoch": int, "prev": str})
    if header["segment"] != at.number or header["stream"] != stream:
        raise AlteredError
    if not re.fullmatch("[0-9a-f]{64}", header["prev"]):
        raise AlteredError
    try:
        box = base64.b64decode(header["sealed"], validate=True)
        plain = json.loads(nacl.public.SealedBox(secret).decrypt(box))
        key, ids = bytes.fromhex(plain["mac"]), bytes.fromhex(plain["ids"])
    except (ValueError, KeyError, TypeError, RecursionError, nacl.exceptions.CryptoError):
        raise AlteredError from None
    if len(key) != 32 or len(ids) != 32:
        raise AlteredError
    here = (header["seq"], header["prev"], header["epoch"])
    if at.number == 1 and here != (1, "0" * 64, 1):
        raise AlteredError
    if before and (*here, key) != (before.seq + 1, before.mac.hex(), before.epoch, before.key):
        raise AlteredError
    at.key, at.seq, at.first, at.epoch = key, header["seq"] - 1, header["seq"], header["epoch"]
    at.mac = bytes.fromhex(header["prev"])


def check_seal(seal: dict[str, Any], at: Place) -> None:
    """Check that a seal fits the epoch, and begin the next."""
    wanted = [at.epoch, at.first, at.seq - 1, at.seq - at.first]
    numbers = [seal.get(name) for name in ("epoch", "first", "last", "count")]
    if numbers != wanted or any(type(number) is not int for number in numbers):
        raise AlteredError
    if seal.get("last_mac") != at.mac.hex() or seal.get("closes") not in ("epoch", "segment", "stream"):
        raise AlteredError
    at.closes = None if seal["closes"] == "epoch" else seal["closes"]
    at.key = hmac.digest(at.key, b"storescope-audit/1 next epoch", "sha256")
    at.epoch, at.first = at.epoch + 1, at.seq + 1


def judge(found: Folder, segments: dict[str, dict[int, list[Path]]], retention: float | None) -> None:
    """Hold the streams to tombstones and heads."""
    speaks: dict[str, int] = {}
    for tombstone in found.tombstones:
        speaks[tombstone["stream"]] = max(tombstone["segment"], speaks.get(tombstone["stream"], 0))
    for tombstone in found.tombstones:
        last = tombstone["segment"] == speaks[tombstone["stream"]]
        if tombstone["stream"] not in found.streams and last and tombstone["closes"] != "stream":
            found.codes.add(5)
        if retention is not None and not old_enough(tombstone, retention):
            found.codes.add(4)
    for stream, numbered in segments.items():
        first = min(numbered)
        if first > 1 and speaks.get(stream, 0) < first - 1:
            found.codes.add(5)
        if max(numbered) - first + 1 != len(numbered):
            found.codes.add(5)
        hold_to_tombstone(stream, first, found)
    for head in found.heads:
        first = min(segments.get(head["stream"], {1: []}))
        hold_to_head(head, first, found, speaks)


def hold_to_tombstone(stream: str, first: int, found: Folder) -> None:
    header = found.streams[stream].header
    for one in found.tombstones:
        if header is not None and (one["stream"], one["segment"]) == (stream, first - 1):
            follows = (header["seq"], header["prev"], header["epoch"], "segment")
            if (one["seq"] + 1, one["mac"], one["epoch"] + 1, one["closes"]) != follows:
                found.codes.add(1)
                found.streams[stream].altered = True


def hold_to_head(head: dict[str, Any], first: int, found: Folder, speaks: dict[str, int]) -> None:
    known = found.streams.get(head["stream"])
    if known is None:
        if not removed(head, 0, found, speaks):
            found.codes.add(5)
    elif not known.altered and head["mac"] not in known.macs.get(head["seq"], ()):
        before = known.header is None or head["seq"] < known.header["seq"]
        if not before or not removed(head, first - 1, found, speaks):
            found.codes.add(4)


def removed(head: dict[str, Any], up_to: int, found: Folder, speaks: dict[str, int]) -> bool:
    """Return whether tombstones account for a head."""
    of_stream = [one for one in found.tombstones if one["stream"] == head["stream"]]
    if not of_stream or speaks[head["stream"]] < up_to:
        return False
    covers = any(one["seq"] >= head["seq"] for one in of_stream if one["segment"] == speaks[head["stream"]])
    return covers and all(one["mac"] == head["mac"] for one in of_stream if one["seq"] == head["seq"])


def old_enough(tombstone: dict[str, Any], days: float) -> bool:
    try:
        at, sealed = (datetime.fromisoformat(tombstone[name]) for name in ("at", "sealed_at"))
        return (at - sealed).total_seconds() >= days * 86_400
    except (ValueError, TypeError):
        return False


def anchor_heads(anchor: Path) -> list[dict[str, Any]]:
    heads: list[dict[str, Any]] = []
    for line in anchor.read_bytes().split(b"\n"):
        try:
            heads += objects([json.loads(line)], HEAD)
        except (ValueError, RecursionError, AlteredError):
            continue
    return heads
