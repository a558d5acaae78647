"""Looks at certificates before anything is served with them."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from storescope.apps.serve._options import ServeError, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path


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
