"""Certificates for tests, made by the `openssl` command when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tests.servers import ServerMissingError

if TYPE_CHECKING:
    from pathlib import Path


class Certificate(NamedTuple):
    """One that signs itself: who trusts it has its file as the authority's.

    Attributes:
        file: The certificate's.
        key: The private key's.
    """

    file: Path
    key: Path


def make_certificate(folder: Path, name: str, alternative: str = "IP:127.0.0.1") -> Certificate:
    """Make `NAME.pem` and `NAME.key`, good for a day and for the host that `alternative` says."""
    program = shutil.which("openssl")
    if program is None:
        raise ServerMissingError("openssl is not installed; apt-get install openssl")
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    extensions = [f"subjectAltName={alternative}", "keyUsage=critical,digitalSignature,keyCertSign"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    files = ["-keyout", str(made.key), "-out", str(made.file)]
    added = [word for extension in extensions for word in ("-addext", extension)]
    command = [program, "req", *kind, "-subj", f"/CN={name}", *files, *added]
    subprocess.run(command, check=True, capture_output=True)
    return made
