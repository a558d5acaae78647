"""The TLS options of `rediss://`, looked at before anything is connected."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Protocol

from storescope import BackendError

_NAMES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class TlsOptions(Protocol):
    """The paths of PEM files; empty for none."""

    @property
    def ssl_ca_certs(self) -> str:
        """The certificates to trust, instead of the system's."""
        ...

    @property
    def ssl_certfile(self) -> str:
        """The client's certificate."""
        ...

    @property
    def ssl_keyfile(self) -> str:
        """Its key."""
        ...


def tls_arguments(options: TlsOptions, *, tls: bool, scheme: str) -> dict[str, str]:
    """Return what redis-py takes.

    Args:
        options: The paths.
        tls: Whether there will be TLS.
        scheme: The URL's.

    Raises:
        BackendError: If a file is not what it has to be, or is given and there will be no TLS.
    """
    given = {name: getattr(options, name) for name in _NAMES if getattr(options, name)}
    if given and not tls:
        speaks = scheme.replace("redis", "rediss", 1)
        raise BackendError(f"the option {next(iter(given))} is for {speaks}://; {scheme}:// speaks no TLS")
    for name, path in given.items():
        if not Path(path).is_file():
            raise BackendError(f"the option {name} must be the path of a file; there is none")
    if tls:
        _load(options)
    return given


def _load(options: TlsOptions) -> None:
    try:
        context = ssl.create_default_context(cafile=options.ssl_ca_certs or None)
    except ssl.SSLError:
        raise BackendError("the option ssl_ca_certs must be a PEM file of certificates") from None
    if not (options.ssl_certfile or options.ssl_keyfile):
        return
    try:
        # A key with a passphrase is refused here: OpenSSL would ask for it at the terminal.
        context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile or None, password=str)
    except OSError:
        raise BackendError(
            "the options ssl_certfile and ssl_keyfile must be PEM files of a certificate and its own key, "
            "without a passphrase"
        ) from None
