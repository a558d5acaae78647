"""Looks at certificates before anything is served with them."""

from __future__ import annotations

import re
import ssl
from hashlib import sha256
from typing import TYPE_CHECKING

from storescope.apps.serve._options import ServeError, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def read_tls(cert: Path, key: Path, client_ca: Path | None) -> TlsOptions:
    """Return the options.

    Raises:
        ServeError: If a file is not what it has to be.
    """
    try:
        # A key with a passphrase is refused here: OpenSSL would ask for it at the terminal.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, password=str)
    except OSError:  # SSLError is one
        raise ServeError(f"{cert} and {key} must be PEM files of a certificate and its own key") from None
    try:
        ssl.create_default_context(cafile=client_ca)
    except OSError:
        raise ServeError(f"{client_ca} must be a PEM file of certificates") from None
    return TlsOptions(cert, key, client_ca)


def fingerprint_of(cert: Path) -> str:
    """Return the SHA-256 of the first certificate of a PEM file, in hex, as `openssl x509 -fingerprint` has it.

    Raises:
        ServeError: If there is none.
    """
    try:
        ssl.create_default_context(cafile=cert)  # refuses what is no certificate
        found = _CERTIFICATE.search(cert.read_text(encoding="ascii", errors="replace"))
    except OSError:
        found = None
    if found is None:
        raise ServeError(f"{cert} must be a PEM file of a certificate")
    return sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest()
