"""The keys that sign proofs, Ed25519 (RFC 8032). Who gave the auditor `NAME.pub` vouches for what it verifies."""

from __future__ import annotations

from pathlib import Path

from nacl.signing import SigningKey

from storescope.errors import StorageError
from storescope.middleware._key_files import KeyFormat


class ProofError(StorageError):
    """The proof of a move, its salt or a key cannot be read or written."""


_FORMAT = KeyFormat(
    "storescope-residency-public-1:", "storescope-residency-secret-1:", "storescope residency keygen", ProofError
)


def generate(name: str | Path) -> tuple[Path, Path]:
    """Make a pair, `NAME.pub` and `NAME.key`.

    Args:
        name: Both files' path without its ending.

    Returns:
        The paths of the public and of the secret key (mode 0600).

    Raises:
        ProofError: If one of them exists, or cannot be written.
    """
    key = SigningKey.generate()
    return _FORMAT.write_pair(name, bytes(key.verify_key), bytes(key))


def load_or_make(name: Path) -> tuple[SigningKey, Path | None]:
    """Return the secret key of a pair, and the public key's path if that was written now.

    A pair that is missing is made; one whose maker was stopped between the two files is made whole.

    Raises:
        ProofError: If the key cannot be read or made.
    """
    public, secret = Path(f"{name}.pub"), Path(f"{name}.key")
    if not secret.exists():
        generate(name)
        return load_signer(secret), public
    signer = load_signer(secret)
    if public.exists():
        return signer, None
    _FORMAT.write_public(public, bytes(signer.verify_key))
    return signer, public


def load_signer(path: str | Path) -> SigningKey:
    """Read the secret key that signs.

    Raises:
        ProofError: If the file cannot be read or is not one.
    """
    return SigningKey(_FORMAT.read_secret(path))


def load_verifier(path: str | Path) -> bytes:
    """Read the public key that a proof must be signed with.

    Raises:
        ProofError: If the file cannot be read or is not one.
    """
    return _FORMAT.read_public(path)
