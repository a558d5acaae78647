"""The keys of an audit log: the auditor's pair, and what is sealed to it.

A writer needs only the public key. It seals a fresh MAC key and the id-hash key into each stream's header with
libsodium's sealed box (X25519, XSalsa20-Poly1305), so that only who holds the secret key can verify.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from storescope.errors import AuditError
from storescope.middleware._audit._chain import KEY_BYTES

_PUBLIC = "storescope-audit-public-1:"
_SECRET = "storescope-audit-secret-1:"  # noqa: S105 (a prefix, not a secret)


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
    public, secret = Path(f"{name}.pub"), Path(f"{name}.key")
    key = PrivateKey.generate()
    for path in (public, secret):  # both first: a secret key that does not fit the public one would deceive
        if path.exists():
            raise AuditError(f"{path} exists already; keys are never overwritten")
    try:
        secret.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditError(f"{secret.parent}: the folder of the keys cannot be made: {error.strerror}") from None
    try:
        _write_new(secret, _SECRET + base64.b64encode(bytes(key)).decode(), 0o600)
        _write_new(public, _PUBLIC + base64.b64encode(bytes(key.public_key)).decode(), 0o644)
    except FileExistsError as error:
        raise AuditError(f"{error.filename} exists already; keys are never overwritten") from None
    except OSError as error:
        raise AuditError(f"{error.filename}: the key cannot be written: {error.strerror}") from None
    return public, secret


def load_public(path: str | Path) -> PublicKey:
    """Read an auditor's public key.

    Raises:
        AuditError: If the file cannot be read or is not one.
    """
    key = PublicKey(_load(path, _PUBLIC, "a public key (NAME.pub)"))
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
    return PrivateKey(_load(path, _SECRET, "a secret key (NAME.key)"))


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
            _write_new(path, secrets.token_hex(KEY_BYTES), 0o600)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise AuditError(f"{path}: must hold {2 * KEY_BYTES} hex digits")
    return key


def _load(path: str | Path, prefix: str, wanted: str) -> bytes:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError as error:
        raise AuditError(f"{path}: the key cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    try:
        key = base64.b64decode(text.removeprefix(prefix), validate=True) if text.startswith(prefix) else b""
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise AuditError(f"{path}: is not {wanted} of storescope audit keygen")
    return key


def _write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that must not exist; nobody ever sees it half written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError as error:
            error.filename = str(path)
            raise
        sync_folder(path.parent)  # what is sealed to a key that a power cut took could never be verified
    finally:
        draft.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
