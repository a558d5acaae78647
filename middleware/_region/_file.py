"""A policy file that is read again when it changes."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from weakref import WeakSet, ref

from storescope.errors import PolicyError
from storescope.middleware._log import tell
from storescope.middleware._region._policy import ResidencyPolicy
from storescope.middleware._region._subscribers import Subscribers
from storescope.middleware._region._toml import parse, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_LONGEST_CLOSE = 1.0


@dataclass(eq=False, slots=True)
class ReloadStats:
    """What a policy file counts; whoever exposes it may keep it longer than the file, so that no count falls."""

    failures: int = 0


class PolicyFile:
    """A policy file that is read again when it changes, for `region_guard` and for whoever asks it.

    A thread looks at the file; a sound new policy is in force from one call to the next. A new file that is wrong,
    cannot be read, or is refused by a guard's stack changes nothing: the policy before it stays in force, the
    failure is counted and logged. Replace the file by `mv`, so that it is never seen half written.

    Args:
        path: The TOML file; a symbolic link is followed anew each time.
        check_every: How often the file is looked at, in seconds.

    Attributes:
        current: The policy in force, a `ResidencyPolicy`.
        stats: What was counted.
        refused: Whether the file as it is now was refused, and the policy before it is in force.

    Raises:
        PolicyError: If the file cannot be read or is wrong at first.
    """

    def __init__(self, path: str | Path, *, check_every: float = 5.0) -> None:
        if not 0 < check_every <= threading.TIMEOUT_MAX:
            raise PolicyError("PolicyFile: check_every must be a number of seconds greater than 0")
        self._source = str(path)
        self._path = Path(path).absolute()  # the process may go elsewhere
        self._check_every = check_every
        self._seen: bytes | str = read(path)
        self.current = self._parse(self._seen)
        self.stats = ReloadStats()
        self.refused = False
        self._subscribers = Subscribers()
        self._start()
        _open_files.add(self)

    def _start(self) -> None:
        """Start to watch. The child of a fork does it anew: it has no threads, and nobody unlocks its locks."""
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=_watch, args=(ref(self), self._stop, self._check_every), name="storescope-policy", daemon=True
        )
        self._thread.start()

    @property
    def failures(self) -> int:
        """How many new files were refused or could not be read."""
        return self.stats.failures

    def subscribe(self, check: Callable[[ResidencyPolicy], None]) -> None:
        """Have new policies checked before they come into force.

        Args:
            check: Called with each; a `PolicyError` that it raises refuses the policy. If it is a method, it does
                not keep its object alive.
        """
        with self._lock:
            self._subscribers.add(check)

    def reload(self) -> bool:
        """Look at the file now.

        Returns:
            Whether a new policy is in force; False if the file means the same as before, or was refused.
        """
        with self._lock:
            try:
                content: bytes | str = read(self._path)
            except PolicyError as error:
                content = str(error)
            if content == self._seen:
                return False
            self._seen = content
            return self._replace(content)

    def _replace(self, content: bytes | str) -> bool:
        """Put what was found into force, or count and log why not; it is tried again once it changes."""
        previous = self.current
        try:
            policy = self._parse(content)
            if policy.digest == previous.digest:
                self.refused = False
                return False
            self._subscribers.check(policy)
        except Exception as error:  # whoever checks may fail in any way: what was not checked is not in force
            self.refused = True
            self.stats.failures += 1
            text = str(error) if isinstance(error, PolicyError) else f"{self._source}: {type(error).__name__}"
            tell("error", "storescope.residency.reload_failed", error=text, in_force=previous.digest)
            return False
        self.current, self.refused = policy, False
        tell(
            *("info", "storescope.residency.policy_reloaded"),
            version=policy.version,
            digest=policy.digest,
            previous=previous.digest,
        )
        return True

    def _parse(self, content: bytes | str) -> ResidencyPolicy:
        if isinstance(content, str):
            raise PolicyError(content)  # why it could not be read
        return ResidencyPolicy.from_dict(parse(content, self._source), source=self._source)

    def close(self) -> None:
        """Watch the file no more; the policy stays in force, and `reload` still looks."""
        _open_files.discard(self)
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LONGEST_CLOSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _watch(reference: ref[PolicyFile], stop: threading.Event, check_every: float) -> None:
    """Look at the file until it is closed, or nobody has it any more."""
    while not stop.wait(check_every):
        file = reference()
        if file is None:
            return
        file.reload()
        del file  # while this thread sleeps, it keeps nothing alive


_open_files: WeakSet[PolicyFile] = WeakSet()


def _after_fork_in_child() -> None:
    for file in list(_open_files):
        file._start()  # noqa: SLF001 (no one else should)


os.register_at_fork(after_in_child=_after_fork_in_child)
