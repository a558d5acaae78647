"""To whom a log is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.errors import AuditError
from storescope.middleware._audit._keys import fingerprint, generate, load_public, load_secret
from storescope.middleware._log import logger

if TYPE_CHECKING:
    from pathlib import Path

    from nacl.public import PublicKey


def auditor_of(folder: Path, public: str | Path | None) -> PublicKey:
    """Return the auditor's public key, that of the pair beside the folder if none is given.

    Raises:
        AuditError: If it can be neither read nor made.
    """
    return _own_auditor(folder) if public is None else load_public(public)


def _own_auditor(folder: Path) -> PublicKey:
    """Return the key of the pair beside the folder; make the pair on first use."""
    name = folder.resolve()
    public, secret = (name.with_name(f"{name.name}.{ending}") for ending in ("pub", "key"))
    if public.exists():
        return load_public(public)
    try:
        generate(name)
    except AuditError:
        if not secret.exists():
            raise
        return load_secret(secret).public_key  # another process was first, and is about to write the public one
    auditor = load_public(public)
    logger().warning(
        "storescope.audit.key_made",
        secret_key=str(secret),
        auditor=fingerprint(auditor),
        advice="move the secret key to another machine: who has it and this folder can rewrite the log",
    )
    return auditor
