"""The keys of an audit log: the auditor's pair, and what is sealed to it.

A writer needs only the public key. It seals a fresh MAC key and the id-hash key into each stream's header with
libsodium's sealed box (X25519, XSalsa20-Poly1305), so that only who holds the secret key can verify.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from storescope.errors import AuditError
from storescope.middleware._audit._chain import KEY_BYTES
from storescope.middleware._files import write_new
from storescope.middleware._key_files import KeyFormat

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = KeyFormat(
    "storescope-audit-public-1:", "storescope-audit-secret-1:", "storescope audit keygen", AuditError
)


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """What a header seals: the first epoch's MAC key, and the key that ids are hashed with."""

    mac: bytes
    ids: bytes

    def seal(self, auditor: PublicKey) -> str:
        """Return both, sealed to the auditor, in base64."""
        plain = json.dumps({"mac": self.mac.hex(), "ids": self.ids.hex()}).encode()
        return base64.b64encode(SealedBox(auditor).encrypt(plain)).decode()

    @classmethod
    def unseal(cls, sealed: str, auditor: PrivateKey) -> StreamKeys:
        """Open what `seal` made.

        Raises:
            ValueError: If this key does not open it.
        """
        try:
            plain = json.loads(SealedBox(auditor).decrypt(base64.b64decode(sealed, validate=True)))
            keys = cls(mac=bytes.fromhex(plain["mac"]), ids=bytes.fromhex(plain["ids"]))
        except (CryptoError, binascii.Error, KeyError, TypeError, RecursionError) as error:
            raise ValueError("not sealed to this key") from error
        if (len(keys.mac), len(keys.ids)) != (KEY_BYTES, KEY_BYTES):
            raise ValueError("not keys of this format")
        return keys


def fingerprint(auditor: PublicKey) -> str:
    """Return the short name by which a header says to whom it is sealed."""
    return sha256(bytes(auditor)).hexdigest()[:16]


def generate(name: str | Path) -> tuple[Path, Path]:
    """Make an auditor's pair, `NAME.pub` and `NAME.key`.

    Args:
        name: Both files' path without its ending.

    Returns:
        The paths of the public and of the secret key (mode 0600).

    Raises:
        AuditError: If one of them exists, or cannot be written.
    """
    key = PrivateKey.generate()
    return _FORMAT.write_pair(name, bytes(key.public_key), bytes(key))


def load_public(path: str | Path) -> PublicKey:
    """Read an auditor's public key.

    Raises:
        AuditError: If the file cannot be read or is not one.
    """
    key = PublicKey(_FORMAT.read_public(path))
    try:
        SealedBox(key).encrypt(b"")
    except CryptoError:  # some points of the curve are no keys, all zeros above all
        raise AuditError(f"{path}: nothing can be sealed to this key") from None
    return key


def load_secret(path: str | Path) -> PrivateKey:
    """Read an auditor's secret key.

    Raises:
        AuditError: If the file cannot be read or is not one.
    """
    return PrivateKey(_FORMAT.read_secret(path))


def load_or_make_id_key(folder: Path) -> bytes:
    """Return the key that ids in this folder are hashed with. It exposes ids if it leaks, not integrity.

    Raises:
        OSError: If it can neither be read nor made.
        AuditError: If the file is damaged.
    """
    return load_or_make_id_key_file(folder / "id.key")


def load_or_make_id_key_file(path: Path) -> bytes:
    """Return the id-hash key that a file holds as hex digits; a file that is missing is made.

    Raises:
        OSError: If it can neither be read nor made.
        AuditError: If the file is damaged.
    """
    if not path.exists():
        with suppress(FileExistsError):  # another process was first: its key is the folder's
            write_new(path, f"{secrets.token_hex(KEY_BYTES)}\n", 0o600)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise AuditError(f"{path}: must hold {2 * KEY_BYTES} hex digits")
    return key
