"""A writer that does at once what real ones do now and then: its streams grow, rotate, are packed and removed.

Run as `python -m tests.audit.busy_writer FOLDER SEED`, it goes on until its standard input is closed.
"""

from __future__ import annotations

import gzip
import os
import random
import select
import sys
from pathlib import Path

from tests.audit.forge import Head, Maker, write_keys


class BusyStream:
    """One stream, of which each record reaches its file when it is made."""

    def __init__(self, maker: Maker, folder: Path) -> None:
        self.maker = maker
        self.announced: dict[str, Head] = {}
        self._folder = folder
        self._written = 0
        self._on_disk: list[int] = []

    @property
    def closed(self) -> list[int]:
        """The closed segments that are there."""
        return [number for number in self._on_disk if number in self.maker.seals]

    def path(self, number: int) -> Path:
        return self._folder / f"{self.maker.stream}.{number:06d}.jsonl"

    def flush(self) -> None:
        """Append what was made, in two halves, as a reader may find it."""
        number = self.maker.segment
        made = self.maker.segments[number][self._written :]
        with self.path(number).open("ab", buffering=0) as file:
            file.write(made[: len(made) // 2])
            file.write(made[len(made) // 2 :])
        self._written += len(made)

    def begin(self, others: list[BusyStream]) -> None:
        """Begin the next segment, announcing what came of the other streams."""
        heads = [other.maker.head for other in others if other is not self and other.maker.seq]
        self.maker.header([head for head in heads if self.announced.get(head.stream) != head])
        self.announced |= {head.stream: head for head in heads}
        self._on_disk.append(self.maker.segment)
        self._written = 0
        self.flush()

    def seal(self, closes: str) -> None:
        self.maker.seal(closes)
        self.flush()

    def pack(self, number: int) -> None:
        """Pack a closed segment: the packed form is there whole before the plain one goes."""
        path = self.path(number)
        if path.exists():
            draft = path.with_name(f"{path.name}.tmp")
            draft.write_bytes(gzip.compress(path.read_bytes()))
            draft.rename(path.with_name(f"{path.name}.gz"))
            path.unlink()

    def remove(self, number: int) -> None:
        self._on_disk.remove(number)
        for path in (self.path(number), self.path(number).with_name(f"{self.path(number).name}.gz")):
            path.unlink(missing_ok=True)


class BusyFolder:
    def __init__(self, root: Path, seed: int) -> None:
        self.auditor, _ = write_keys(root)
        self.folder = root / "audit"
        self.folder.mkdir(exist_ok=True)
        self.chance = random.Random(seed)
        self.streams: list[BusyStream] = []
        self.ended: list[BusyStream] = []
        self.removed: dict[str, list[dict[str, object]]] = {}
        self.number = 0

    def open(self) -> None:
        self.number += 1
        stream = f"20261122T{self.number:06d}Z-{self.chance.getrandbits(32):08x}"
        new = BusyStream(Maker(self.auditor, stream), self.folder)
        new.begin(self.streams)
        self.streams.append(new)

    def step(self) -> None:
        """Do one thing."""
        one = self.chance.choice(self.streams)
        dice = self.chance.random()
        if dice < 0.5:
            one.maker.calls(self.chance.randint(1, 3))
            one.flush()
        elif dice < 0.6:
            one.seal("epoch")
        elif dice < 0.8:
            one.seal("segment")
            one.begin(self.streams)
        elif dice < 0.85:
            one.seal("stream")
            self.streams.remove(one)
            self.ended.append(one)
            self.open()
        elif dice < 0.93:
            packed = self.chance.choice(self.streams + self.ended)
            for number in packed.closed[:2]:
                packed.pack(number)
        else:
            self.retain(one)

    def retain(self, teller: BusyStream) -> None:
        """Remove closed segments, the oldest of a stream first, after a tombstone says so."""
        removals: list[tuple[BusyStream, int]] = []
        for stream in self.streams + self.ended:
            keep = 0 if stream in self.ended else 2
            removals += [(stream, number) for number in stream.closed[: len(stream.closed) - keep]]
        for stream, number in removals:
            self.removed.setdefault(stream.maker.stream, []).append(stream.maker.seals[number])
        if removals:  # every entry that still speaks is given again: what told it may be among what goes
            teller.maker.tombstone([entries[-1] for entries in self.removed.values()])
            teller.maker.tombstone([stream.maker.seals[number] for stream, number in removals])
            teller.flush()
        for stream, number in removals:
            stream.remove(number)
        self.ended = [stream for stream in self.ended if stream.closed]


def main(root: Path, seed: int) -> None:
    busy = BusyFolder(root, seed)
    for _ in range(3):
        busy.open()
    os.write(1, b"begun\n")
    while not select.select([sys.stdin], [], [], 0)[0]:
        busy.step()
    os.write(1, b"%d" % busy.number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
