"""An operator's word on what happens to calls that cannot be logged: for a stated time and reason, then over."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from storescope.errors import AuditError
from storescope.middleware._audit._record import own_record
from storescope.middleware._log import tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OnFailure = Literal["refuse", "refuse_writes", "allow"]
ON_FAILURE = ("refuse", "refuse_writes", "allow")

LONGEST_SECONDS = 86_400.0
"""An override is for an emergency: a day at most, then somebody must say it again."""

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Override:
    """What an operator said.

    Attributes:
        on_failure: What happens to a call that cannot be logged, whatever the stack says.
        until: When that ends, in seconds since 1970.
        reason: Why, for the auditor.
        by: Who said so.
    """

    on_failure: OnFailure
    until: float
    reason: str
    by: str

    @classmethod
    def of(cls, on_failure: str, seconds: float, reason: str, by: str) -> Override:
        """Make one that begins now.

        Raises:
            AuditError: If it is not one of the three, has no reason, or lasts longer than a day.
        """
        if on_failure not in ON_FAILURE:
            raise AuditError(f"on_failure must be refuse, refuse_writes or allow, not {on_failure!r}")
        if not 0 < seconds <= LONGEST_SECONDS:
            raise AuditError(f"an override lasts more than 0 and at most {LONGEST_SECONDS:g} s, not {seconds:g}")
        if not reason.strip():
            raise AuditError("an override needs a reason, which stands in the log")
        return cls(on_failure, time.time() + seconds, reason, by)  # type: ignore[arg-type] # it was checked

    def write(self, file: Path) -> None:
        """Put it where the writers look.

        Raises:
            AuditError: If that cannot be written.
        """
        draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
            draft.rename(file)
        except OSError as error:
            raise AuditError(f"{file}: the override cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, file: Path) -> Override | None:
        """Return what stands in a file; None if there is none, it is over, or it is none.

        Raises:
            AuditError: If the file is there and is no override.
        """
        try:
            found: dict[str, Any] = json.loads(file.read_bytes())
            made = cls(found["on_failure"], float(found["until"]), str(found["reason"]), str(found["by"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AuditError(f"{file}: cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise AuditError(f"{file}: is no override that storescope audit override writes") from None
        left = made.until - time.time()
        if made.on_failure not in ON_FAILURE or left > LONGEST_SECONDS or not made.reason.strip():
            raise AuditError(f"{file}: is no override that storescope audit override writes")
        return made if left > 0 else None

    def record(self, state: Literal["begun", "ended"]) -> str:
        """Return the record of its beginning or end."""
        said = {"state": state, "on_failure": self.on_failure, "until": self.until_text()}
        return own_record("override", {**said, "reason": self.reason, "by": self.by})

    def until_text(self) -> str:
        """Return when it ends, in UTC, as records have it."""
        return datetime.fromtimestamp(self.until, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Overrides:
    """What holds now: what the process was told, else what the file says. A thread reads the file."""

    def __init__(self, file: Path, say: Callable[[str], None]) -> None:
        """Start the thread.

        Args:
            file: Where operators leave an override.
            say: Has a record written, from `phase` on.
        """
        self._file = file
        self._say = say
        self._told: Override | None = None
        self._found: Override | None = None  # in the file, which may lie on a disk that hangs
        self._holds: Override | None = None
        self._warned = False
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storescope-audit-override", daemon=True)
        self._thread.start()

    def answer(self, on_failure: OnFailure) -> OnFailure:
        """Return what happens now to a call that cannot be logged."""
        holds = self._holds
        return on_failure if holds is None or time.time() >= holds.until else holds.on_failure

    def tell(self, override: Override | None) -> None:
        """Let this hold in this process from now on; None ends it."""
        self._told = override
        self._settle(override or self._found)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            self._found = self._in_file()
            told = self._told
            self._settle(told if told is not None and time.time() < told.until else self._found)

    def _in_file(self) -> Override | None:
        try:
            found = Override.read(self._file)
        except AuditError as error:
            if not self._warned:
                tell("error", "storescope.audit.override_ignored", reason=str(error))
            self._warned = True
            return None
        self._warned = False
        return found

    def _settle(self, holds: Override | None) -> None:
        """Let this hold, and have it recorded if it is news."""
        with self._changing:
            before, self._holds = self._holds, holds
        if before == holds:
            return
        if before is not None:
            self._say(before.record("ended"))
        if holds is not None:
            tell("warning", "storescope.audit.override", on_failure=holds.on_failure, reason=holds.reason)
            self._say(holds.record("begun"))


def who() -> str:
    """Return the name of the user that this process runs as, or their number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
