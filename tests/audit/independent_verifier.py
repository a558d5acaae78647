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
    if file.name != f"{stream}.000001.jsonl" or not file.is_file():
        raise AlteredError
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
            announced += heads(record)
        if record["phase"] == "seal":
            wanted = {"epoch": 1, "first": 1, "last": number - 1, "count": number - 1, "last_mac": previous.hex()}
            if any(record.get(name) != value for name, value in wanted.items()):
                raise AlteredError
            final = record.get("final") is True
        macs[number] = record["mac"]
        previous = expected
    if final and rest:
        raise AlteredError
    return final


def heads(header: dict[str, Any]) -> list[dict[str, Any]]:
    found = header.get("heads")
    types = {"stream": str, "seq": int, "mac": str}
    if type(found) is not list:
        raise AlteredError
    for head in found:
        if type(head) is not dict or any(type(head.get(name)) is not wanted for name, wanted in types.items()):
            raise AlteredError
    return found


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def parse(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=distinct)
        mac = record["mac"]
        sound = line.endswith(b',"mac":"' + mac.encode("ascii") + b'"}') and len(mac) == 64
        sound = sound and list(record)[: len(FIELDS)] == list(FIELDS) and type(record["seq"]) is int
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
        plain = json.loads(nacl.public.SealedBox(secret).decrypt(box))
        key, ids = bytes.fromhex(plain["mac"]), bytes.fromhex(plain["ids"])
    except (ValueError, KeyError, TypeError, RecursionError, nacl.exceptions.CryptoError):
        raise AlteredError from None
    if len(key) != 32 or len(ids) != 32:
        raise AlteredError
    return key
