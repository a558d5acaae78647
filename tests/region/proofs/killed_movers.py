"""Movers that are killed, with SIGKILL, before or after the n-th thing that they do: a request to a store or to
the registry, a sync or a renaming of a file.

`python -m tests.region.proofs.killed_movers SEED FOLDER...` moves the session of each folder, kills the mover up
to twice, and runs the same command again until it is done. Each mover is a child of its own, made by a fork before
there are threads: starting Python anew takes far longer than a move.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope.backends._sqlite_worker import Worker
from storescope.middleware._region._moving import _move
from tests.region.proofs.regions import move

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 8
MOST_KILLS = 2
MOST_TRIES = 20
DONE, BROKEN_OFF = 0, 3
_MOST_THINGS = 110  # before and after each; a move and its opening do 96


class Killer:
    """Kills its own process."""

    def __init__(self, left: int) -> None:
        self._left = left

    def count(self) -> None:
        """Count one thing, and kill if it is the last."""
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count before and after whatever is done."""
        run, count = Worker.run, self.count

        async def counted(worker: Any, *arguments: Any, **options: Any) -> Any:
            count()
            result = await run(worker, *arguments, **options)
            count()
            return result

        Worker.run = counted  # type: ignore[method-assign,assignment] # in a child that does nothing else
        os.fsync = self._around(os.fsync)
        Path.replace = self._around(Path.replace)  # type: ignore[method-assign] # the same

    def _around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.count()
            result = act(*arguments)
            self.count()
            return result

        return counted


class Mover:
    """The moves of one folder, one after the other."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.tries = self.kills = 0
        self._chance = chance
        self._wanted = chance.randint(1, MOST_KILLS)
        self.child = self._start()

    def ended(self, status: int) -> bool:
        """Note how the child ended; return whether the session is moved, else start another one."""
        code = os.waitstatus_to_exitcode(status)
        self.kills += code == -signal.SIGKILL
        if code == DONE:
            return True
        if code not in {-signal.SIGKILL, BROKEN_OFF} or self.tries == MOST_TRIES:
            sys.exit(f"{self.folder}: exit code {code} after {self.tries} tries")
        self.child = self._start()
        return False

    def _start(self) -> int:
        self.tries += 1
        kill_at = self._chance.randint(1, _MOST_THINGS) if self.kills < self._wanted else 0
        child = os.fork()
        if not child:
            _move._BETWEEN_LOOKS = 0.05
            Killer(kill_at).watch()
            done = move(self.folder, "--lease-seconds", 2, "--settle-seconds", 0.3)
            # Whoever is killed between its last write and its last line has done it all.
            is_over = self.kills and "is in aws:us-east-1 already" in done.err
            if done.code and not is_over:
                sys.stderr.write(done.err)
            os._exit(0 if is_over else done.code)
        return child


def main(seed: str, *folders: str) -> None:
    """Move the sessions of all folders."""
    chance = random.Random(seed)
    waiting = [Path(folder) for folder in folders]
    running: dict[int, Mover] = {}
    kills = 0
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            mover = Mover(waiting.pop(), chance)
            running[mover.child] = mover
        child, status = os.wait()
        mover = running.pop(child)
        if mover.ended(status):
            kills += mover.kills
        else:
            running[mover.child] = mover
    print(kills)  # noqa: T201 (it is what the test reads)


if __name__ == "__main__":
    main(*sys.argv[1:])
