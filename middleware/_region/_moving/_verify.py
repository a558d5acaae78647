"""Verifies the proof of a move: by itself, and against the stores as they are now."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from storescope.middleware._region._moving._journal import Entry
from storescope.middleware._region._moving._proof import (
    BEFORE_SIGNATURE,
    DIGESTS,
    SCHEMA,
    SIGNATURES,
    counts_of,
    naming,
    render,
)
from storescope.middleware._region._moving._signing import ProofError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope.middleware._region._moving._rows import Side

_ROW = {"entity": str, "id": str, "digest": str}
_STORE = {"region": str, "system": str, "confidence": str}
_SHAPE = {
    "schema": str,
    "tool": str,
    "move": str,
    "ids": str,
    "session": str,
    "tenant": str,
    "source": _STORE,
    "target": _STORE,
    "policy": {"version": str, "digest": str},
    "started": str,
    "switched": str,
    "ended": str,
    "counts": {"session": int, "message": int, "part": int},
    "left_at_source": int,
    "digests": {"algorithm": str, "salt_sha256": str},
    "rows": [_ROW],
    "late": [_ROW],
    "not_covered": [str],
    "signature": {"algorithm": str, "key": str, "value": str},
}


class Verdict(IntEnum):
    """What a verification found; the exit code. Of several, the first one but `VALID` counts."""

    VALID = 0
    ALTERED = 1
    LEFT_BEHIND = 3
    DIFFERS = 4


class AlteredError(Exception):
    """A text is no proof, or not the one that was signed. It never leaves this module."""


class TargetTally(NamedTuple):
    """The records of a proof, as they are at the target now.

    Attributes:
        same: How many are there as they were moved.
        changed: How many are there with another content.
        gone: How many are not there.
        new: How many others of the session are there.
    """

    same: int
    changed: int
    gone: int
    new: int


@dataclass(slots=True)
class ProofReport:
    """What a verification found.

    Attributes:
        altered: Why it is no proof, or not the one that was signed; None if it is.
        signer_known: Whether the key was given; else it is the one that the proof itself names.
        proof: What the proof says; empty if it is altered.
        target: What the target holds; None if it was not looked at.
        at_source: How many records of the session the source holds; None if it was not looked at.
    """

    altered: str | None
    signer_known: bool
    proof: Mapping[str, Any]
    target: TargetTally | None = None
    at_source: int | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        if self.altered is not None:
            return Verdict.ALTERED
        if self.at_source:
            return Verdict.LEFT_BEHIND
        if self.target is not None and (self.target.changed or self.target.gone):
            return Verdict.DIFFERS
        return Verdict.VALID


def verify(content: bytes, key: bytes | None) -> ProofReport:
    """Verify a proof by itself.

    Args:
        content: The bytes of its file.
        key: The public key that it must be signed with; None to take the one that it names, which anybody could
            have made.
    """
    try:
        return ProofReport(None, key is not None, _open(content, key))
    except AlteredError as error:
        return ProofReport(str(error), key is not None, {})


async def compare(report: ProofReport, session: str | None, salt: bytes, sides: Mapping[str, Side]) -> None:
    """Add to a report what the stores hold now.

    Args:
        report: The report on a proof that is valid by itself.
        session: The session's id; None if the proof has it in clear.
        salt: The proof's salt.
        sides: Region -> store: the source, the target, or both.

    Raises:
        ProofError: If the session is not the one that was moved.
        BackendError: If a store fails.
    """
    proof = report.proof
    name = naming(proof["ids"], salt)
    if session is None and proof["ids"] == "hashed":
        raise ProofError("the proof has the session's id hashed: name the session too")
    named: str = proof["session"] if session is None else session
    if name("session", named) != proof["session"]:
        raise ProofError("the proof is of another session than the one that was named")
    source, target = sides.get(proof["source"]["region"]), sides.get(proof["target"]["region"])
    if source is not None:
        report.at_source = len(await source.rows(named, proof["tenant"]))
    if target is not None:
        rows = await target.rows(named, proof["tenant"])
        report.target = _tally(
            proof, [Entry(row.entity, name(row.entity, row.id), row.digest(salt)) for row in rows]
        )


def _tally(proof: Mapping[str, Any], there: list[Entry]) -> TargetTally:
    proven = {(row["entity"], row["id"]): row["digest"] for row in proof["rows"]}
    found = {(entry.entity, entry.id): entry.digest for entry in there}
    same = sum(found.get(key) == digest for key, digest in proven.items())
    gone = len(proven.keys() - found.keys())
    return TargetTally(same, len(proven) - same - gone, gone, len(there) - (len(proven) - gone))


def _open(content: bytes, key: bytes | None) -> dict[str, Any]:
    """Return what a proof says, once nothing of it can be anything but what was signed."""
    try:
        proof = json.loads(content)
    except (ValueError, RecursionError):
        raise AlteredError("it is not JSON") from None
    if not isinstance(proof, dict) or proof.get("schema") != SCHEMA:
        raise AlteredError(f"its schema is not {SCHEMA}")
    if not _fits(proof, _SHAPE) or not _is_sound(proof):
        raise AlteredError(f"it does not follow the schema {SCHEMA}")
    if render(proof).encode() != content:  # what a reader sees is what is verified
        raise AlteredError("it is not written as storescope writes a proof")
    _check_signature(content, proof["signature"], key)
    return proof


def _fits(value: Any, shape: Any) -> bool:
    """Return whether a value has a shape: its fields, all of them and in order, and their types."""
    if isinstance(shape, dict):
        return (
            isinstance(value, dict)
            and list(value) == list(shape)
            and all(_fits(value[name], of) for name, of in shape.items())
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(each, shape[0]) for each in value)
    return type(value) is shape


def _is_sound(proof: dict[str, Any]) -> bool:
    return (
        proof["ids"] in {"hashed", "clear"}
        and proof["digests"]["algorithm"] == DIGESTS
        and proof["signature"]["algorithm"] == SIGNATURES
        and proof["counts"] == counts_of([Entry(**row) for row in proof["rows"]])
        and sum(proof["counts"].values()) == len(proof["rows"])
    )


def _check_signature(content: bytes, signature: dict[str, str], key: bytes | None) -> None:
    signed, _, _ = content.rpartition(BEFORE_SIGNATURE.encode())
    named, value = _decoded(signature["key"]), _decoded(signature["value"])
    if key is not None and named != key:
        raise AlteredError("it is signed with another key than the one that was given")
    try:
        VerifyKey(named).verify(signed, value)
    except (CryptoError, ValueError):  # also of a wrong length
        raise AlteredError("the signature does not fit: it was altered after it was signed") from None


def _decoded(text: str) -> bytes:
    """Return what stands in base64; of the several texts that a lenient reader takes for it, one is right."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    if base64.b64encode(value).decode() != text:
        raise AlteredError("the signature is not in base64")
    return value
