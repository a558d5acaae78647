"""Writes entries of the token file. A token is shown once, and only its hash is written."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from storescope.apps.serve._options import ServeError
from storescope.apps.serve._tokens import TokenFile, digest_of, parse_tokens
from storescope.middleware._files import write_over

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BYTES = 32


def add_token(path: Path, name: str, grants: Mapping[str, Any]) -> str:
    """Write an entry for a new token, and return the token.

    Args:
        path: The token file; made, for its owner alone, if it is missing.
        name: The token's name.
        grants: The entry's other keys: `tenants`, `operations` and `regions`, lists, and perhaps `rate`.

    Raises:
        ServeError: If the file is wrong or has the name, or the grants are none. Nothing was changed.
    """
    made = "stsc_" + secrets.token_urlsafe(_BYTES)  # the prefix lets scanners for leaked secrets find it
    _add(path, name, {"sha256": digest_of(made), **grants})
    return made


def add_certificate(path: Path, name: str, fingerprint: str, grants: Mapping[str, Any]) -> None:
    """Write an entry for who shows a client certificate.

    Args:
        path: The token file; made, for its owner alone, if it is missing.
        name: The entry's name.
        fingerprint: The SHA-256 of the certificate, in hex.
        grants: As for `add_token`.

    Raises:
        ServeError: As `add_token`, and if an entry has the certificate. Nothing was changed.
    """
    _add(path, name, {"certificate": fingerprint, **grants})


def _add(path: Path, name: str, entry: Mapping[str, Any]) -> None:
    if not _NAME.fullmatch(name):
        raise ServeError("a token's name is letters, digits, - and _, 64 at most")
    before = _text(path)
    if re.search(rf"^\[tokens\.{name}\]", before, re.MULTILINE):
        raise ServeError(f"{path}: has a token {name!r} already; delete its entry first, or choose another name")
    # Strings, lists and numbers are TOML as JSON writes them, if no character is spelled as two halves.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    _replace(path, "\n".join([*([before.rstrip(), ""] if before.strip() else []), f"[tokens.{name}]", *lines, ""]))


def _text(path: Path) -> str:
    if not path.exists():
        return ""
    TokenFile(path)  # refuses one that is wrong, or that others may read
    return path.read_text(encoding="utf-8")


def _replace(path: Path, text: str) -> None:
    """Write the file anew, for its owner alone, and only if a bridge would take it."""
    try:
        parse_tokens(path, text.encode())
        write_over(path, text, 0o600)
    except UnicodeEncodeError:
        raise ServeError("half of a surrogate pair can be no tenant and no region") from None
    except OSError as error:
        raise ServeError(f"{path}: cannot be written: {error.strerror}") from None
