"""What keeps a folder in order beside the writing: recovery when it is opened, then packing and retention."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._writing._recovery import unfinished
from storescope.middleware._audit._writing._retention import alone, pack, remove, sweep

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
        self._segment = 1

    def due(self) -> bool:
        """Return, once each time, whether an hour has passed or a segment was closed."""
        stream = self._journal.stream
        segment = 0 if stream is None else stream.segment
        if time.monotonic() < self._due_at and segment == self._segment:
            return False
        self._due_at, self._segment = time.monotonic() + UPKEEP_SECONDS, segment
        return True

    def recover(self) -> None:
        """Record as `unknown` what writers that stopped have left undone.

        Raises:
            OSError: If one of them cannot be read, or what is to be said not be written; the others were seen to.
        """
        folder, mine = self._options.folder, self._journal.stream
        if mine is None:
            return
        fault: OSError | None = None
        for stream in streams_of(folder):
            try:
                if stream != mine.id:
                    self._recover(stream)
            except OSError as error:
                fault = error
        if fault is not None:
            raise fault

    def run(self) -> None:
        """Pack closed segments and take away old ones, unless another process is at it.

        Raises:
            OSError: If a file cannot be read, written or removed.
        """
        options, stream = self._options, self._journal.stream
        if stream is None:
            return
        with alone(options.folder) as mine:
            if not mine:
                return
            sweep(options.folder)
            if options.retain_days is not None:
                remove(options.folder, stream.id, options.retain_days, self._say_tombstone)
            if options.compress:
                pack(options.folder, stream.id)

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
