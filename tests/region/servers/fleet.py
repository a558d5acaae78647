"""The processes of a run: started, killed, and waited for by what they say."""

from __future__ import annotations

import multiprocessing
import time
from typing import TYPE_CHECKING, Self, TypeAlias

from tests.region.servers import agent, mover
from tests.region.servers.logbook import WRONG, Pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.region.servers.places import Places

_PATIENCE = 240.0
"""Seconds within which everybody must get on, on a machine that is busy."""

# Forked from a process that has imported everything: each would spend a second on that.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.region.servers.agent", "tests.region.servers.mover"])


Run: TypeAlias = "Callable[[Path, Places, int], None]"


class Worker:
    """One process and what it says."""

    def __init__(self, run: Run, path: Path, places: Places, number: int) -> None:
        self.pages = Pages(path)
        self._process = _CONTEXT.Process(target=run, args=(path, places, number), name=path.stem)
        self._process.start()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._process.kill()
        self._process.join()

    def check(self) -> None:
        """Raise what it found that must not be."""
        wrong = [line[2] for line in self.pages.read() if line[1] == WRONG]
        assert not wrong, f"{self._process.name}: {wrong[0]}"
        assert self._process.is_alive(), f"{self._process.name} ended by itself: {self._process.exitcode}"


class Fleet:
    """Agents, and one mover. Leave it to kill those that still run.

    Args:
        folder: Where they write what they do.
        for_agents: Where agents find the stores and the registry.
        for_mover: Where the mover does.
        agents: How many there are.
    """

    def __init__(self, folder: Path, for_agents: Places, for_mover: Places, agents: int) -> None:
        self._folder = folder
        self._places: dict[Run, Places] = {agent.run: for_agents, mover.run: for_mover}
        self._started = 0
        self.pages: list[Pages] = []
        self.agents: list[Worker] = []
        for _ in range(agents):
            self.agents.append(self._start(agent.run))
        self.mover = self._start(mover.run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (*self.agents, self.mover):
            worker.kill()

    @property
    def lines(self) -> list[list[Any]]:
        """All that anybody has said."""
        return [line for pages in self.pages for line in pages.read()]

    def replace_agent(self) -> None:
        """Kill the agent that has run longest, and start another."""
        self.agents.pop(0).kill()
        self.agents.append(self._start(agent.run))

    def replace_mover(self) -> None:
        """Kill the mover while it moves a session, and start another."""
        begun = self.mover.pages.count("move")
        self.until(lambda: self.mover.pages.count("move") > begun, "the mover moves nothing")
        self.mover.kill()
        self.mover = self._start(mover.run)

    def get_on(self, writes: int = 10) -> None:
        """Wait until every agent had some more writes acknowledged, and the mover has moved a session."""
        goals = [(each.pages, "ACKNOWLEDGED", each.pages.count("ACKNOWLEDGED") + writes) for each in self.agents]
        goals.append((self.mover.pages, "moved", self.mover.pages.count("moved") + 1))
        self.until(lambda: all(pages.count(word) >= goal for pages, word, goal in goals), "somebody gets stuck")

    def move_on(self, moves: int = 2) -> None:
        """Wait until some more sessions were moved."""
        goal = self.mover.pages.count("moved") + moves
        self.until(lambda: self.mover.pages.count("moved") >= goal, "the mover gets stuck")

    def feel_it(self) -> None:
        """Wait until every agent that is under way has seen a call fail."""
        under_way = [each.pages for each in self.agents if each.pages.count("begin")]
        goals = [(pages, pages.count("felt") + 1) for pages in under_way]
        self.until(lambda: all(pages.count("felt") >= goal for pages, goal in goals), "somebody feels nothing")

    def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait until something holds."""
        give_up = time.monotonic() + _PATIENCE
        while not holds():
            for worker in (*self.agents, self.mover):
                worker.check()
            assert time.monotonic() < give_up, otherwise
            time.sleep(0.05)

    def _start(self, run: Run) -> Worker:
        self._started += 1
        path = self._folder / f"{run.__module__.rpartition('.')[2]}-{self._started}.log"
        worker = Worker(run, path, self._places[run], self._started)
        self.pages.append(worker.pages)
        return worker
