"""What a bridge is started with; it travels to worker processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storescope.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


class ServeError(StorageError):
    """A bridge cannot be started as it was asked for."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """TLS, all paths of PEM files.

    Attributes:
        cert: The server's certificate.
        key: Its private key.
        client_ca: The authority whose client certificates are demanded (mTLS); None to demand none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What `storescope serve` was told.

    Attributes:
        backend: The store's URL.
        region: Where its data rests; None if its URL or name says so.
        policy: The residency policy's file.
        audit: The audit log's folder.
        auditor: The auditor's public key.
        tokens: The token file.
        tls: Certificates; None for plain HTTP.
        workers: How many processes serve.
        seconds: How long a call may take.
        drain_seconds: How long it still serves after SIGTERM, with readiness gone.
        hosts: The names by which it may be asked where no token is; empty for any.
    """

    backend: str = field(repr=False)  # it may hold a password
    region: str | None = None
    policy: Path | None = None
    audit: Path | None = None
    auditor: Path | None = None
    tokens: Path | None = None
    tls: TlsOptions | None = None
    workers: int = 1
    seconds: float = 30.0
    drain_seconds: float = 5.0
    hosts: frozenset[str] = frozenset()
