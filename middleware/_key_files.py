"""Keys of 32 bytes in files of one line: a prefix that says what the key is for, and the key in base64."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from storescope.middleware._files import write_new

if TYPE_CHECKING:
    from storescope.errors import StorageError

_KEY_BYTES = 32


class KeyFormat(NamedTuple):
    """One kind of pair.

    Attributes:
        public: The prefix of a public key.
        secret: The prefix of a secret key.
        made_by: The command that makes a pair.
        error: What is raised.
    """

    public: str
    secret: str
    made_by: str
    error: type[StorageError]

    def write_pair(self, name: str | Path, public_key: bytes, secret_key: bytes) -> tuple[Path, Path]:
        """Write a pair, `NAME.pub` and `NAME.key` (mode 0600), and return the paths.

        Raises:
            StorageError: As `error` says; if one of them exists, or cannot be written.
        """
        public, secret = Path(f"{name}.pub"), Path(f"{name}.key")
        for path in (public, secret):  # both first: a secret key that does not fit the public one would deceive
            if path.exists():
                raise self.error(f"{path} exists already; keys are never overwritten")
        try:
            secret.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.error(f"{secret.parent}: the folder of the keys cannot be made: {error.strerror}") from None
        self._write(secret, to_line(self.secret, secret_key), 0o600)
        self.write_public(public, public_key)
        return public, secret

    def write_public(self, path: Path, key: bytes) -> None:
        """Write a public key.

        Raises:
            StorageError: As `error` says; if the file exists, or cannot be written.
        """
        self._write(path, to_line(self.public, key), 0o644)

    def read_public(self, path: str | Path) -> bytes:
        """Return a public key.

        Raises:
            StorageError: As `error` says; if the file cannot be read or is not one.
        """
        return self._read(path, self.public, "a public key (NAME.pub)")

    def read_secret(self, path: str | Path) -> bytes:
        """Return a secret key.

        Raises:
            StorageError: As `error` says; if the file cannot be read or is not one.
        """
        return self._read(path, self.secret, "a secret key (NAME.key)")

    def _write(self, path: Path, line: str, mode: int) -> None:
        try:
            write_new(path, line, mode)
        except FileExistsError:
            raise self.error(f"{path} exists already; keys are never overwritten") from None
        except OSError as error:
            raise self.error(f"{path}: the key cannot be written: {error.strerror}") from None

    def _read(self, path: str | Path, prefix: str, wanted: str) -> bytes:
        try:
            key = from_line(prefix, Path(path).read_bytes())
        except OSError as error:
            raise self.error(f"{path}: the key cannot be read: {error.strerror}") from None
        if key is None:
            raise self.error(f"{path}: is not {wanted} of {self.made_by}")
        return key


def to_line(prefix: str, key: bytes) -> str:
    """Return what a file holds."""
    return f"{prefix}{base64.b64encode(key).decode()}\n"


def from_line(prefix: str, line: bytes) -> bytes | None:
    """Return the key that a file holds; None if it holds no key with this prefix."""
    text = line.strip()
    try:
        key = base64.b64decode(text.removeprefix(prefix.encode()), validate=True)
    except binascii.Error:
        return None
    return key if text.startswith(prefix.encode()) and len(key) == _KEY_BYTES else None
