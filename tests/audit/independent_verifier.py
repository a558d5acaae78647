"""A second verifier, written from docs/audit-format.md alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import nacl.exceptions
import nacl.public

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = (
    *("seq", "stream", "ts", "phase", "call_id", "attempt", "operation", "actor", "tenant", "caller_region"),
    *("backend", "backend_region", "record", "session", "outcome", "error_type", "duration_us", "decision"),
    *("code", "rule", "exception", "policy", "trace_id", "span_id"),
)
ENDING = 74


class AlteredError(Exception):
    pass


class WrongKeyError(Exception):
    pass


def verdict(folder: Path, key_file: Path) -> int:
    """Return the folder's exit code."""
    text = key_file.read_text().strip()
    secret = nacl.public.PrivateKey(base64.b64decode(text.removeprefix("storescope-audit-secret-1:")))
    found: set[int] = set()
    macs: dict[str, dict[int, str]] = {}
    announced: list[dict[str, Any]] = []
    altered: set[str] = set()
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        return 2
    for file in files:
        stream = file.name.split(".")[0]
        macs[stream] = {}
        try:
            sealed = read_stream(file, stream, secret, macs[stream], announced)
        except AlteredError:
            altered.add(stream)
            found.add(1)
        except WrongKeyError:
            return 2
        else:
            found.add(0 if sealed else 3)
    for head in announced:
        if head["stream"] not in macs:
            found.add(5)
        elif head["stream"] not in altered and macs[head["stream"]].get(head["seq"]) != head["mac"]:
            found.add(4)
    return next(code for code in (1, 4, 5, 3, 0) if code in found)


def read_stream(
    file: Path,
    stream: str,
    secret: nacl.public.PrivateKey,
    macs: dict[int, str],
    announced: list[dict[str, Any]],
) -> bool:
    """Check one stream; return whether it is closed by its final seal."""
    *lines, rest = file.read_bytes().split(b"\n")
    key, previous, final = b"", bytes(32), False
    for number, line in enumerate(lines, start=1):
        record = parse(line)
        if final:
            raise AlteredError
        if number == 1:
            key = open_header(record, secret)
        expected = hmac.digest(key, previous + line[:-ENDING], "sha256")
        if record["mac"] != expected.hex() or record["seq"] != number or record["stream"] != stream:
            raise AlteredError
        if record["phase"] == "header":
            announced += record["heads"]
        if record["phase"] == "seal":
            wanted = {"first": 1, "last": number - 1, "count": number - 1, "last_mac": previous.hex()}
            if any(record.get(name) != value for name, value in wanted.items()):
                raise AlteredError
            final = record.get("final") is True
        macs[number] = record["mac"]
        previous = expected
    if final and rest:
        return False  # torn behind the seal: it does not count, and the end is not what was sealed
    return final


def parse(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
        mac = record["mac"]
        sound = line.endswith(b',"mac":"' + mac.encode("ascii") + b'"}') and len(mac) == 64
        sound = sound and all(field in record for field in FIELDS) and type(record["seq"]) is int
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AlteredError from None
    if not sound:
        raise AlteredError
    return dict(record)


def open_header(header: dict[str, Any], secret: nacl.public.PrivateKey) -> bytes:
    if header["phase"] != "header" or header.get("format") != "storescope-audit/1":
        raise AlteredError
    mine = hashlib.sha256(bytes(secret.public_key)).hexdigest()[:16]
    if header.get("auditor") != mine:
        raise WrongKeyError
    try:
        box = base64.b64decode(header["sealed"], validate=True)
        return bytes.fromhex(json.loads(nacl.public.SealedBox(secret).decrypt(box))["mac"])
    except (ValueError, KeyError, TypeError, nacl.exceptions.CryptoError):
        raise AlteredError from None
