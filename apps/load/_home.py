"""The folder of a run: policy, the auditor's keys, audit log."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from storescope.apps.load._errors import LoadError
from storescope.middleware._audit._keys import generate

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class Home:
    """Where a run keeps what it needs.

    Attributes:
        folder: All of it.
        kept: Whether it stays when the run is over.
    """

    folder: Path
    kept: bool

    @property
    def policy(self) -> Path:
        """The residency policy."""
        return self.folder / "policy.toml"

    @property
    def audit(self) -> Path:
        """The folder of the audit log."""
        return self.folder / "audit"

    @property
    def public_key(self) -> Path:
        """To whom the log is sealed."""
        return self.folder / "auditor.pub"

    @property
    def secret_key(self) -> Path:
        """What verifies it."""
        return self.folder / "auditor.key"


@contextmanager
def home(keep: Path | None) -> Generator[Home]:
    """Make the folder and, if there are none yet, the keys.

    Args:
        keep: Where; None makes a temporary folder, which goes at the end.

    Raises:
        LoadError: If the folder cannot be made.
        AuditError: If the keys cannot be made.
    """
    if keep is None:
        with TemporaryDirectory(prefix="storescope-load-") as folder:
            yield _with_keys(Home(Path(folder), kept=False))
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadError(f"{keep}: the folder cannot be made: {error.strerror}") from None
    yield _with_keys(Home(keep, kept=True))


def _with_keys(made: Home) -> Home:
    if not made.public_key.exists():
        generate(made.folder / "auditor")
    return made
