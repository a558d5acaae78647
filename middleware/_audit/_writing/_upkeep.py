"""What keeps a folder in order beside the writing: recovery when it is opened, then packing and retention."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._writing._recovery import unfinished
from storescope.middleware._audit._writing._retention import alone, pack, remove, sweep
from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from storescope.middleware._audit._writing._journal import Journal
    from storescope.middleware._audit._writing._options import Options

UPKEEP_SECONDS = 3_600.0


class Upkeep:
    """Keeps the folder of one journal in order; a chore, as it may take its time."""

    def __init__(self, options: Options, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._due_at = time.monotonic() + UPKEEP_SECONDS
        self._segment = 0
        self._has_recovered = False

    def due(self) -> bool:
        """Return, once each time, whether an hour has passed or a segment was begun, the first one too."""
        stream = self._journal.stream
        segment = 0 if stream is None else stream.segment
        if time.monotonic() < self._due_at and segment == self._segment:
            return False
        self._due_at, self._segment = time.monotonic() + UPKEEP_SECONDS, segment
        return True

    def run(self) -> None:
        """Recover what stopped writers left, the first time; then pack closed segments and take away old ones.

        Raises:
            OSError: If a file cannot be read, written or removed.
        """
        options, stream = self._options, self._journal.stream
        if stream is None:
            return
        if not self._has_recovered:
            self._has_recovered = True
            self._recover_all(stream.id)
        with alone(options.folder) as mine:
            if not mine:
                return
            sweep(options.folder)
            if options.retain_days is not None:
                remove(options.folder, stream.id, options.retain_days, self._say_tombstone)
            if options.compress:
                pack(options.folder, stream.id)

    def _recover_all(self, mine: str) -> None:
        """Record as `unknown` what stopped writers have left undone; one that cannot be read stops nothing."""
        for stream in streams_of(self._options.folder):
            try:
                if stream != mine:
                    self._recover(stream)
            except OSError as error:
                telemetry_failed("audit", error)

    def _recover(self, stream: str) -> None:
        with unfinished(self._options.folder, stream) as said:
            if said and not self._say([(each.phase, each.text) for each in said]):
                raise OSError("what was left undone cannot be recorded now; the next open will")

    def _say_tombstone(self, text: str) -> bool:
        return self._say([("tombstone", text)])

    def _say(self, records: list[tuple[str, str]]) -> bool:
        """Write records and bring them to the disk; return whether that could be done."""
        journal = self._journal
        for phase, text in records:
            journal.say(phase, text)
        with journal.lock:
            if not journal.say_now():
                return False
        try:
            journal.sync()
        except OSError:
            return False
        return True
