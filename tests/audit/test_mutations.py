"""No change to what is sealed passes as intact, and two verifiers agree on every change."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescope.middleware._audit._keys import load_secret
from storescope.middleware._audit._verify import Verdict
from tests.audit.forge import Maker, name, sound_folder, write_anchor
from tests.audit.spoiling import LINES, change_lines
from tests.audit.verdicts import both
from tests.rounds import LONG, SCALE

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.unmeasured

Files = dict[str, bytes]


@dataclass(repr=False)
class Sound:
    """The files of a sound folder, its key, and an anchor."""

    files: Files
    key: Path
    anchor: Path


@pytest.fixture(scope="module")
def sound() -> Generator[Sound]:
    with tempfile.TemporaryDirectory() as root:
        folder, key, heads = sound_folder(Path(root))
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        yield Sound(files, key, write_anchor(Path(root) / "anchor", heads))


def plain(file: str, content: bytes) -> bytes:
    if not file.endswith(".gz"):
        return content
    try:
        with gzip.open(BytesIO(content)) as unpacked:
            return unpacked.read()
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return b"it does not unpack"


SEGMENTS = ("lose", "rename", "copy", "exchange", "pack", "unpack", "both forms", "spoil packed", "empty")
change = st.tuples(
    st.sampled_from(LINES + SEGMENTS), st.integers(0, 10**6), st.integers(0, 10**6), st.binary(max_size=40)
)


def spoil(files: Files, kind: str, first: int, second: int, junk: bytes) -> None:
    """Change one thing."""
    if not files:
        return
    names = sorted(files)
    file, other = names[first % len(names)], names[second % len(names)]
    content = plain(file, files[file])
    bare = file.removesuffix(".gz")
    if kind in LINES:
        changed = change_lines(kind, content, plain(other, files[other]), second, junk)
        files[file] = gzip.compress(changed) if file.endswith(".gz") else changed
    elif kind == "lose":
        del files[file]
    elif kind in {"rename", "copy"}:
        number = second % 5
        ending = ".jsonl.gz" if file.endswith(".gz") else ".jsonl"
        target = f"{(other if junk else file).split('.')[0]}.{number:06d}{ending}"
        moved = files[file] if kind == "copy" else files.pop(file)
        files[target] = moved
    elif kind == "exchange":
        theirs = plain(other, files[other])
        files[file] = gzip.compress(theirs) if file.endswith(".gz") else theirs
        files[other] = gzip.compress(content) if other.endswith(".gz") else content
    elif kind == "spoil packed":
        packed = bytearray(gzip.compress(content))
        packed[second % len(packed)] ^= 1 + first % 255
        files.pop(bare, None)
        files[f"{bare}.gz"] = bytes(packed)
    elif kind == "empty":
        files[file] = b""
    else:
        del files[file]
        if kind != "unpack":
            files[f"{bare}.gz"] = gzip.compress(content)
        if kind != "pack":
            files[bare] = content


def written(files: Files, root: Path) -> Path:
    folder = root / "audit"
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


@settings(max_examples=400 * SCALE if LONG else 130)
@given(changes=st.lists(change, min_size=1, max_size=4), anchored=st.booleans())
def test_no_change_passes_as_intact(
    sound: Sound, changes: list[tuple[str, int, int, bytes]], *, anchored: bool
) -> None:
    changed = dict(sound.files)
    for one in changes:
        spoil(changed, *one)
    with tempfile.TemporaryDirectory() as root:
        found = both(written(changed, Path(root)), sound.key, sound.anchor if anchored else None)
    if found is Verdict.INTACT:
        before, after = (
            {file.removesuffix(".gz"): plain(file, content) for file, content in files.items()}
            for files in (sound.files, changed)
        )
        assert before == after


@settings(max_examples=100 * SCALE if LONG else 30)
@given(data=st.data())
def test_two_verifiers_agree_on_any_forged_folder(data: st.DataObject) -> None:
    """Streams that are begun, sealed, announced and removed in any order, of which every MAC fits."""
    with tempfile.TemporaryDirectory() as given_root:
        root = Path(given_root)
        folder, key, _ = sound_folder(root)
        auditor = load_secret(key).public_key
        made = [Maker(auditor, name(number)) for number in range(5, 8)]
        heads = [one.header().head for one in made]
        steps = st.tuples(st.integers(0, 2), st.sampled_from(("calls", "epoch", "next", "end", "bury", "head")))
        for number, step in data.draw(st.lists(steps, max_size=25)):
            one = made[number]
            if step == "calls":
                one.calls()
            elif step == "head":
                heads.append(one.head)
            elif step == "epoch":
                one.seal()
            elif step in {"next", "end"}:
                one.seal("segment" if step == "next" else "stream")
                one.header(data.draw(st.lists(st.sampled_from(heads), max_size=2)))
            else:
                of = made[data.draw(st.integers(0, 2))]
                one.tombstone(list(of.seals.values()))
        for one in made:
            numbers = sorted(one.segments)
            without = data.draw(st.lists(st.sampled_from(numbers), max_size=3))
            if data.draw(st.booleans()):  # as a retention would
                without = numbers[: len(without)]
            one.save(folder, without=without, packed=data.draw(st.lists(st.sampled_from(numbers), max_size=2)))
        anchor = write_anchor(root / "anchor", heads) if data.draw(st.booleans()) else None
        both(folder, key, anchor, data.draw(st.sampled_from((None, 0, 1))))
