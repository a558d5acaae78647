"""Every cell of the table in docs/audit-threats.md, carried out on a real log."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storescope import AuditError
from storescope.middleware import AuditLog
from storescope.middleware._audit._files import Segment, streams_of
from storescope.middleware._audit._keys import StreamKeys, generate, load_public
from storescope.middleware._audit._record import own_record
from storescope.middleware._audit._verify import verify
from storescope.middleware._audit._writing._tails import last_record
from tests.audit.logs import records_in, until, write_some

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from storescope.middleware._audit._head import Head

PAGE = Path(__file__).parents[2] / "docs" / "audit-threats.md"
ROWS = re.findall(r"^\| ([a-z][^|]+) \| [^|]+ \| (\d) \| (\d) \|$", PAGE.read_text(), re.MULTILINE)


@dataclass
class Scene:
    """A log, and what an attacker has of it."""

    folder: Path
    public: Path
    key: Path
    anchor: Path
    older: Path
    order: list[str]  # streams, the oldest first
    stolen: bytes = b""  # the key of the last stream's current epoch, from its writer's memory

    def segments(self, which: int) -> list[Segment]:
        """Return the segments of one stream: 0 is the oldest, -1 the newest."""
        return streams_of(self.folder)[self.order[which]]

    def lines(self, which: int, segment: int = 0) -> list[bytes]:
        return self.segments(which)[segment].path.read_bytes().splitlines(keepends=True)

    def put(self, which: int, lines: list[bytes], segment: int = 0) -> None:
        self.segments(which)[segment].path.write_bytes(b"".join(lines))


async def write_stream(folder: Path, public: Path, heads: list[Head]) -> str:
    """Write and close a stream of three segments."""
    before = set(streams_of(folder))
    log = AuditLog.open(folder, auditor=public, durability="none", segment_bytes=6_000, on_head=heads.append)
    async with log:
        stream = log._journal.stream
        assert stream is not None
        while stream.segment < 3:
            await write_some(log, 3)
            with log._journal.lock:
                log._journal.tend()
        await write_some(log, 1)
    (made,) = set(streams_of(folder)) - before
    return made


@pytest.fixture(scope="module")
def closed() -> Generator[Scene]:
    """Three closed streams. An older copy of the folder has two, the second of them shorter."""
    with tempfile.TemporaryDirectory() as root:
        public, key = generate(Path(root) / "auditor")
        folder, older = Path(root) / "audit", Path(root) / "older"
        heads: list[Head] = []
        order = [asyncio.run(write_stream(folder, public, heads))]
        shutil.copytree(folder, older)
        order += [asyncio.run(write_stream(folder, public, heads)) for _ in range(2)]
        yield Scene(folder, public, key, anchor_of(Path(root), heads), older, order)


@pytest.fixture(scope="module")
def running() -> Generator[Scene]:
    """A stream that is being written, in its third epoch; who runs it was taken over."""
    with tempfile.TemporaryDirectory() as root:
        public, key = generate(Path(root) / "auditor")
        folder, copy = Path(root) / "audit", Path(root) / "copy"
        heads: list[Head] = []

        async def run() -> tuple[bytes, list[Head]]:
            options: Any = {"durability": "none", "seal_seconds": 3_600.0, "on_head": heads.append}
            async with AuditLog.open(folder, auditor=public, **options) as log:
                for _ in range(2):
                    await write_some(log, 2)
                    log._journal.sealed_at -= 3_600.0
                    await until(lambda: log._journal.sealed_at > time.monotonic() - 60)
                await write_some(log, 3)
                await until(lambda: len(heads) == 3)
                stream = log._journal.stream
                assert stream is not None
                left = [*heads, stream.head]
                await write_some(log, 2)
                shutil.copytree(folder, copy)
                return stream._key, left

        stolen, left = asyncio.run(run())
        yield Scene(copy, public, key, anchor_of(Path(root), left), copy, list(streams_of(copy)), stolen)


def anchor_of(root: Path, heads: list[Head]) -> Path:
    anchor = root / "anchor.jsonl"
    anchor.write_text(
        "".join(json.dumps({"event": "storescope.audit.head", **head.to_dict()}) + "\n" for head in heads)
    )
    return anchor


def body_of(line: bytes) -> bytes:
    return line[: -len(b'"}\n') - 64 - len(b',"mac":"')]


def mac_of(line: bytes) -> bytes:
    return bytes.fromhex(json.loads(line)["mac"])


def chained(bodies: list[bytes], key: bytes, previous: bytes) -> list[bytes]:
    """Return lines whose MACs fit under a key."""
    made = []
    for body in bodies:
        previous = hmac.digest(key, previous + body, "sha256")
        made.append(body + b',"mac":"%b"}\n' % previous.hex().encode())
    return made


def edit(scene: Scene) -> None:
    lines = scene.lines(0)
    lines[3] = lines[3].replace(b'"tenant":"acme"', b'"tenant":"evil"')
    scene.put(0, lines)


def insert(scene: Scene) -> None:
    lines = scene.lines(0)
    scene.put(0, [*lines[:3], lines[2], *lines[3:]])


def reorder(scene: Scene) -> None:
    lines = scene.lines(0)
    lines[2], lines[3] = lines[3], lines[2]
    scene.put(0, lines)


def rewrite(scene: Scene) -> None:
    bodies = [body_of(line).replace(b'"acme"', b'"evil"') for line in scene.lines(-1)]
    scene.put(-1, chained(bodies, b"k" * 32, bytes(32)))


def take_out(scene: Scene) -> None:
    lines = scene.lines(0)
    scene.put(0, lines[:3] + lines[5:])


def cut(scene: Scene, which: int, count: int) -> None:
    lines = scene.lines(which, -1)
    scene.put(which, lines[:-count], -1)


def write_behind(scene: Scene) -> None:
    scene.put(-1, [*scene.lines(-1, -1), scene.lines(-1, -1)[-2]], -1)


def older_stream(scene: Scene) -> None:
    """As it was when its last segment had not been begun."""
    for segment in scene.segments(0)[1:]:
        segment.path.unlink()


def older_folder(scene: Scene) -> None:
    shutil.rmtree(scene.folder)
    shutil.copytree(scene.older, scene.folder)


def replay_other(scene: Scene) -> None:
    scene.put(0, scene.lines(1))


def delete(scene: Scene, which: int) -> None:
    for segment in scene.segments(which):
        segment.path.unlink()


def delete_segment(scene: Scene, which: int, segment: int) -> None:
    scene.segments(which)[segment].path.unlink()


def skip_epoch(scene: Scene) -> None:
    """Everything between two segments' closing seals, the header's number and epoch changed to fit."""
    _, second, third = scene.segments(-1)
    third.path.rename(second.path)


def write_anew(scene: Scene, which: int, change: Callable[[bytes], bytes] = lambda body: body) -> None:
    """Give a stream a header with keys of one's own, sealed to the auditor, and one record less."""
    auditor = load_public(scene.public)
    for segment in scene.segments(which)[1:]:
        segment.path.unlink()
    header, *bodies = [body_of(line) for line in scene.lines(which)[:4]]
    keys = StreamKeys(mac=b"k" * 32, ids=b"i" * 32)
    said = json.loads(header + b"}")
    own = header.replace(said["sealed"].encode(), keys.seal(auditor).encode())
    lines = chained([own, *(change(body) for body in bodies)], keys.mac, bytes(32))
    seal = {"epoch": 1, "first": 1, "last": 4, "count": 4, "last_mac": mac_of(lines[-1]).hex(), "closes": "stream"}
    body = f'{{"seq":5,"stream":"{scene.order[which]}","ts":"{said["ts"]}",{own_record("seal", seal)}'.encode()
    scene.put(which, [*lines, *chained([body], keys.mac, mac_of(lines[-1]))])


def give_a_name_twice(scene: Scene) -> None:
    write_anew(scene, -1, lambda body: body.replace(b'"actor":', b'"actor":"nobody","actor":'))


def other_pair(scene: Scene) -> None:
    public, _ = generate(scene.folder / "own")
    asyncio.run(write_stream(scene.folder, public, []))


def forged_tombstone(scene: Scene) -> None:
    """What retention would have written, from a process of the attacker's own."""
    last = last_record(scene.segments(0)[-1])
    entry = {name: last[name] for name in ("stream", "seq", "mac", "epoch", "closes")}
    removed = [{**entry, "segment": len(scene.segments(0)), "sealed_at": last["ts"]}]
    with AuditLog.open(scene.folder, auditor=scene.public) as log:
        log._journal.say("tombstone", own_record("tombstone", {"removed": removed, "retain_days": 30}))
    delete(scene, 0)


def with_stolen_key(scene: Scene, first: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change records from one on, and give all of them from there MACs by the current epoch's key."""
    lines = scene.lines(-1)
    bodies = change([body_of(line) for line in lines[first:]])
    scene.put(-1, lines[:first] + chained(bodies, scene.stolen, mac_of(lines[first - 1])))


def seals(scene: Scene) -> list[int]:
    """Return where the seals stand in the newest stream's first segment."""
    return [at for at, record in enumerate(records_in(scene.segments(-1)[0])) if record["phase"] == "seal"]


def evil(bodies: list[bytes]) -> list[bytes]:
    return [bodies[0].replace(b'"acme"', b'"evil"'), *bodies[1:]]


def numbered(bodies: list[bytes], first: int) -> list[bytes]:
    return [re.sub(rb'^{"seq":\d+', b'{"seq":%d' % seq, body) for seq, body in enumerate(bodies, first)]


def pass_off(scene: Scene) -> None:
    """Put a record of the current epoch before the last seal."""
    lines, at = scene.lines(-1), seals(scene)[-1]
    moved = numbered([body_of(lines[-1])], at)
    scene.put(-1, [*lines[: at - 1], *chained(moved, scene.stolen, mac_of(lines[at - 2])), *lines[at:]])


def skip_with_key(scene: Scene) -> None:
    """Leave the second epoch out, and let the current one follow the first."""
    first, second = seals(scene)
    lines = scene.lines(-1)
    bodies = numbered([body_of(line) for line in lines[second + 1 :]], first + 2)
    scene.put(-1, lines[: first + 1] + chained(bodies, scene.stolen, mac_of(lines[first])))


CLOSED: dict[str, Callable[[Scene], None]] = {
    "edit a record": edit,
    "insert a record": insert,
    "reorder records": reorder,
    "rewrite a stream with a key of one's own": rewrite,
    "take records out of the middle": take_out,
    "cut off the end of a stream that a later header names": lambda scene: cut(scene, 0, 2),
    "cut off the end of the newest stream": lambda scene: cut(scene, -1, 3),
    "cut off the closing seal of the newest stream": lambda scene: cut(scene, -1, 1),
    "write behind the closing seal": write_behind,
    "put back an older copy of a stream that a later header names": older_stream,
    "put back an older copy of the whole folder": older_folder,
    "put another stream's file in a stream's place": replay_other,
    "delete a stream that a later header names": lambda scene: delete(scene, 0),
    "delete the newest stream": lambda scene: delete(scene, -1),
    "delete a segment from the middle of a stream": lambda scene: delete_segment(scene, 0, 1),
    "delete the last segment of a stream that a later header names": lambda scene: delete_segment(scene, 0, -1),
    "skip an epoch": skip_epoch,
    "hide a record from a viewer by giving a name twice": give_a_name_twice,
    "write the newest stream anew": lambda scene: write_anew(scene, -1),
    "write a stream anew that a later header names": lambda scene: write_anew(scene, 0),
    "seal a stream to a key pair of one's own": other_pair,
    "remove a stream and write a tombstone for it": forged_tombstone,
}
RUNNING: dict[str, Callable[[Scene], None]] = {
    "alter what was sealed, with the key of the current epoch": lambda scene: with_stolen_key(scene, 2, evil),
    "pass a record of the current epoch off as an earlier one": pass_off,
    "skip an epoch, with the key of the current one": skip_with_key,
    "alter what is not sealed yet and has not left the machine": lambda scene: with_stolen_key(
        scene, len(scene.lines(-1)) - 2, evil
    ),
    "alter what is not sealed yet and has left the machine": lambda scene: with_stolen_key(
        scene, seals(scene)[-1] + 1, evil
    ),
}


def verdict(scene: Scene, anchor: Path | None) -> int:
    try:
        return int(verify(scene.folder, scene.key, anchor=anchor).verdict)
    except AuditError:
        return 2


def test_the_logs_are_sound_before(closed: Scene, running: Scene) -> None:
    assert [verdict(closed, None), verdict(closed, closed.anchor)] == [0, 0]
    assert [verdict(running, None), verdict(running, running.anchor)] == [3, 3]


def test_every_attack_of_the_page_is_carried_out() -> None:
    assert [row[0] for row in ROWS] == [*CLOSED, *RUNNING]


@pytest.mark.parametrize(("attack", "without", "with_anchor"), ROWS, ids=[row[0] for row in ROWS])
def test_an_attack(
    attack: str, without: str, with_anchor: str, closed: Scene, running: Scene, tmp_path: Path
) -> None:
    scene = closed if attack in CLOSED else running
    copy = replace(scene, folder=tmp_path / "audit")
    shutil.copytree(scene.folder, copy.folder)
    (CLOSED | RUNNING)[attack](copy)
    assert [verdict(copy, None), verdict(copy, scene.anchor)] == [int(without), int(with_anchor)]
