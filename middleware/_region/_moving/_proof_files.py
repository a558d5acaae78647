"""The files of a proof: the proof itself, to be given away, and its salt, for who may check what it is about."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from storescope.middleware._files import write_over
from storescope.middleware._key_files import from_line, to_line
from storescope.middleware._region._moving._proof import fields_of, fingerprint, sign
from storescope.middleware._region._moving._signing import ProofError, load_or_make, load_signer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nacl.signing import SigningKey

    from storescope.call import BackendInfo
    from storescope.middleware._region._moving._journal import Moved
    from storescope.middleware._region._moving._proof import Ids

_SALT = "storescope-residency-salt-1:"
_OWN_KEY = "residency"


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds the secret key
class ProofFiles:
    """Where the proof of a move goes, and what signs it.

    Attributes:
        path: A file, `NAME.json`, or a folder for many.
        signer: The key.
        made: The public key, if it was written now.
    """

    path: Path
    signer: SigningKey
    made: Path | None

    @classmethod
    def prepare(cls, path: str | Path, key: str | Path | None, unfinished: str | None) -> Self:
        """Make sure that a proof can be written, before there is something to prove.

        Args:
            path: The file, `NAME.json`, or the folder. It is made if it is missing.
            key: The secret key; None for `residency.key` in the folder, which is made if it is missing.
            unfinished: The id of the move that is to be finished; None for a new one.

        Raises:
            ProofError: If the key cannot be read, nothing can be written there, or the file is there already and
                is not of the unfinished move.
        """
        path = Path(path)
        folder = path.parent if path.suffix == ".json" else path
        _check_writable(folder)
        if folder != path and path.exists() and (unfinished is None or _move_of(path) != unfinished):
            raise ProofError(f"{path} exists already; a proof is never written over another one")
        if key is not None:
            return cls(path, load_signer(key), None)
        return cls(path, *load_or_make(folder / _OWN_KEY))

    def write(self, moved: Moved, stores: Mapping[str, BackendInfo], ids: Ids) -> Path:
        """Write the salt and then the proof, each durably, and return the proof's path.

        Raises:
            ProofError: If they cannot be written.
        """
        path = self.path if self.path.suffix == ".json" else self.path / f"{moved.move}.json"
        text = sign(fields_of(moved, stores, ids), self.signer)
        try:
            write_over(salt_path(path), to_line(_SALT, moved.salt), 0o600)
            write_over(path, text, 0o644)
        except OSError as error:
            failed = ProofError(f"{path}: the proof cannot be written: {error.strerror}")
            failed.retryable = True  # the move is all but over, and waits for it
            raise failed from None
        return path


def salt_path(proof: Path) -> Path:
    """Return where the salt of a proof is kept, unless it was taken elsewhere."""
    return proof.with_suffix(".salt")


def read_salt(path: Path, proof: Mapping[str, Any]) -> bytes:
    """Return the salt of a proof.

    Raises:
        ProofError: If it cannot be read, or is another proof's.
    """
    try:
        salt = from_line(_SALT, path.read_bytes())
    except OSError as error:
        raise ProofError(f"{path}: the salt cannot be read: {error.strerror}") from None
    if salt is None or fingerprint(salt) != proof["digests"]["salt_sha256"]:
        raise ProofError(f"{path}: is not the salt of this proof")
    return salt


def read_proof(path: Path) -> bytes:
    """Return what a file holds that should be a proof.

    Raises:
        ProofError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProofError(f"{path}: cannot be read: {error.strerror}") from None


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ProofError(f"{folder}: no proof can be written there: {error.strerror}") from None


def _move_of(path: Path) -> Any:
    try:
        found = json.loads(read_proof(path))
    except (ValueError, RecursionError):
        return None
    return found.get("move") if isinstance(found, dict) else None
