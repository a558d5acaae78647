"""Each sentence of docs/audit-format.md on verdicts, on logs of several segments in which every MAC fits."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.forge import Head, Maker, name, sound_folder, write_anchor, write_keys
from tests.audit.verdicts import both

if TYPE_CHECKING:
    from pathlib import Path

INTACT, ALTERED, USAGE, UNSEALED, TRUNCATED, MISSING = Verdict


class Bench:
    """A folder to put forged streams into."""

    def __init__(self, root: Path) -> None:
        self.auditor, self.key = write_keys(root)
        self.folder = root / "audit"
        self.anchor = root / "anchor.jsonl"

    def stream(self, number: int = 1, **other: Any) -> Maker:
        return Maker(self.auditor, name(number), **other)

    def three(self, number: int = 1) -> Maker:
        """Return a closed stream of three segments."""
        made = self.stream(number)
        for closes in ("segment", "segment", "stream"):
            made.header().calls().seal().calls().seal(closes)
        return made

    def verdict(self, anchor: list[Head] | None = None, retention: float | None = None) -> Verdict:
        kept = None if anchor is None else write_anchor(self.anchor, anchor)
        return both(self.folder, self.key, kept, retention)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_everything_that_the_format_has_is_intact(tmp_path: Path) -> None:
    folder, key, heads = sound_folder(tmp_path)
    assert both(folder, key, write_anchor(tmp_path / "anchor", heads), 30) is INTACT
    report = verify(folder, key)
    assert (report.streams, report.unlogged, report.unanswered, report.removed) == (3, 7, 0, 3)


def test_both_forms_of_a_segment_are_one(bench: Bench) -> None:
    made = bench.three()
    made.save(bench.folder)
    made.save(bench.folder, packed=[1, 2])
    assert bench.verdict() is INTACT
    assert verify(bench.folder, bench.key).records == made.seq


@pytest.mark.parametrize("which", [b"", b"x", None], ids=["shorter", "longer", "other"])
def test_forms_that_differ_are_altered(which: bytes | None, bench: Bench) -> None:
    made = bench.three()
    made.save(bench.folder)
    content = made.segments[1]
    changed = content[:-1] if which == b"" else content + which if which else content[:50] + b"x" + content[51:]
    (bench.folder / f"{made.stream}.000001.jsonl.gz").write_bytes(gzip.compress(changed))
    assert bench.verdict() is ALTERED


@pytest.mark.parametrize("junk", [b"x", b"\x1f\x8b", b"\x1f\x8b\x08" + bytes(40)])
def test_what_does_not_unpack_is_altered(junk: bytes, bench: Bench) -> None:
    made = bench.three()
    made.save(bench.folder, without=[2])
    packed = gzip.compress(made.segments[2])
    for content in (junk, packed[:-9], packed + junk, packed[:40] + b"\xff" + packed[41:]):
        (bench.folder / f"{made.stream}.000002.jsonl.gz").write_bytes(content)
        assert bench.verdict() is ALTERED


@pytest.mark.parametrize(
    ("without", "verdict"),
    [([1], MISSING), ([2], MISSING), ([1, 2], MISSING), ([3], UNSEALED), ([2, 3], UNSEALED)],
)
def test_a_segment_that_is_not_there(without: list[int], verdict: Verdict, bench: Bench) -> None:
    bench.three().save(bench.folder, without=without)
    assert bench.verdict() is verdict


@pytest.mark.parametrize("without", [[1], [2], [3], [1, 2, 3]])
def test_a_segment_that_a_head_speaks_of(without: list[int], bench: Bench) -> None:
    made = bench.three()
    made.save(bench.folder, without=without)
    bench.stream(2).header([made.head]).seal("stream").save(bench.folder)
    # What is gone whole is missing; of a stream that is there, a record that is not is cut off.
    assert bench.verdict() is (TRUNCATED if without == [3] else MISSING)
    assert bench.verdict([made.head]) is (TRUNCATED if without == [3] else MISSING)


@pytest.mark.parametrize("lines", [1, 2, 5])
def test_a_segment_in_between_that_lost_its_end_is_truncated(lines: int, bench: Bench) -> None:
    made = bench.three()
    for number in (1, 2):
        made.segments[number] = b"".join(made.segments[number].splitlines(keepends=True)[:-lines])
        made.save(bench.folder)
        assert bench.verdict() is TRUNCATED
    (bench.folder / f"{made.stream}.000001.jsonl").write_bytes(b"")
    assert bench.verdict() is TRUNCATED


def test_nothing_follows_the_end_of_a_stream(bench: Bench) -> None:
    made = bench.stream().header().seal("stream").header().seal("stream").header().calls().seal("stream")
    made.save(bench.folder)
    assert bench.verdict() is ALTERED
    made.save(bench.folder, without=[3])
    assert bench.verdict() is ALTERED


def test_a_last_segment_without_a_header_is_unsealed(bench: Bench) -> None:
    made = bench.stream().header().calls().seal("segment")
    made.save(bench.folder)
    assert bench.verdict() is UNSEALED
    made.header()
    for content in (b"", made.segments[2][:100], made.segments[2][:-1], made.segments[2]):
        (bench.folder / f"{made.stream}.000002.jsonl").write_bytes(content)
        assert bench.verdict() is UNSEALED


@pytest.mark.parametrize("kind", ["swap", "replay", "another's", "renamed"])
def test_segments_do_not_stand_for_each_other(kind: str, bench: Bench) -> None:
    made, other = bench.three(1), bench.three(2)
    other.save(bench.folder)
    taken = dict(made.segments)
    if kind == "swap":
        taken[1], taken[2] = taken[2], taken[1]
    elif kind == "replay":
        taken[2] = taken[1]
    elif kind == "another's":
        taken[2] = other.segments[2]
    else:
        taken[4] = taken.pop(3)
    replace(made, segments=taken).save(bench.folder)
    assert bench.verdict() is ALTERED


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({}, INTACT),
        ({"segment": 3}, ALTERED),
        ({"segment": 2.0}, ALTERED),
        ({"epoch": 4}, ALTERED),
        ({"epoch": 1}, ALTERED),
        ({"epoch": 3.0}, ALTERED),
        ({"epoch": 10**4299}, ALTERED),
        ({"prev": "ab" * 32}, ALTERED),
        ({"prev": "AB" * 32}, ALTERED),
        ({"prev": "ab"}, ALTERED),
        ({"prev": None}, ALTERED),
        ({"format": "storescope-audit/2"}, ALTERED),
        ({"auditor": "0" * 16}, USAGE),
        ({"auditor": None}, USAGE),
        ({"sealed": "AAAA"}, ALTERED),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_header_goes_on_from_the_segment_before(other: dict[str, Any], verdict: Verdict, bench: Bench) -> None:
    made = bench.stream().header().calls().seal().calls().seal("segment").header(**other).calls().seal("stream")
    made.save(bench.folder)
    assert bench.verdict() is verdict


@pytest.mark.parametrize("field", ["key", "mac", "seq", "epoch"])
def test_nothing_of_the_segment_before_is_skipped(field: str, bench: Bench) -> None:
    """The key that follows, above all: who holds the public key only can seal another, but not that one."""
    made = bench.stream().header().calls().seal("segment")
    other: Any = b"z" * 32 if field in {"key", "mac"} else 99
    replace(made, **{field: other}).header().calls().seal("stream").save(bench.folder)
    assert bench.verdict() is ALTERED


def test_a_key_of_an_earlier_epoch_does_not_begin_a_segment(bench: Bench) -> None:
    made = bench.stream().header().calls()
    earlier = made.key
    made.seal("segment")
    made.key = earlier
    made.header().calls().seal("stream").save(bench.folder)
    assert bench.verdict() is ALTERED


def test_a_segment_begins_with_its_header(bench: Bench) -> None:
    made = bench.stream().header().calls().seal("segment")
    made.segment, made.segments[2] = 2, b""
    made.calls().seal("stream").save(bench.folder)
    assert bench.verdict() is ALTERED


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({}, INTACT),
        ({"epoch": 1}, ALTERED),
        ({"epoch": 3}, ALTERED),
        ({"epoch": 2.0}, ALTERED),
        ({"first": 1}, ALTERED),
        ({"last": 7}, ALTERED),
        ({"count": 0}, ALTERED),
        ({"count": True}, ALTERED),
        ({"last_mac": "00" * 32}, ALTERED),
        ({"last_mac": None}, ALTERED),
        ({"closes": None}, ALTERED),
        ({"closes": "all"}, ALTERED),
        ({"closes": ["stream"]}, ALTERED),
        ({"closes": "epoch"}, UNSEALED),
        ({"closes": "segment"}, UNSEALED),
    ],
    ids=str,
)
def test_a_seal_fits_what_it_seals(other: dict[str, Any], verdict: Verdict, bench: Bench) -> None:
    bench.stream().header().calls().seal().calls().seal("stream", **other).save(bench.folder)
    assert bench.verdict() is verdict


def test_an_idle_epoch_is_sealed_too(bench: Bench) -> None:
    made = bench.stream().header().seal().seal().seal().calls().seal("segment").header().seal("stream")
    made.save(bench.folder)
    assert bench.verdict() is INTACT


def test_a_record_of_a_later_epoch_does_not_pass_as_earlier(bench: Bench) -> None:
    """CVE-2023-31439: a record's MAC under another epoch's key does not fit, though the key was once sealed."""
    made = bench.stream().header().calls()
    later = replace(made, segments=dict(made.segments))
    later.seal()
    made.key = later.key  # what a thief of the running process's key has
    made.calls().seal("stream").save(bench.folder)
    assert bench.verdict() is ALTERED


def test_a_header_in_the_middle_is_altered(bench: Bench) -> None:
    made = bench.stream().header()
    again = made.segments[1]
    made.segment = 0
    made.header()
    made.segments[1] = again + made.segments[1]
    made.seal("stream").save(bench.folder)
    assert bench.verdict() is ALTERED


class TestTombstones:
    def removal(self, bench: Bench, *, up_to: int = 1, of: int = 3, **other: Any) -> Maker:
        made = bench.three(1)
        made.save(bench.folder, without=range(1, up_to + 1))
        entries = [{**made.seals[number], **other} for number in range(1, up_to + 1)]
        bench.stream(2).header().tombstone(entries).seal("stream").save(bench.folder)
        return made

    @pytest.mark.parametrize("up_to", [1, 2, 3])
    def test_speaks_for_what_was_removed(self, up_to: int, bench: Bench) -> None:
        made = self.removal(bench, up_to=up_to)
        assert bench.verdict() is INTACT
        assert bench.verdict([made.head]) is INTACT
        assert verify(bench.folder, bench.key).removed == up_to

    def test_speaks_for_no_more(self, bench: Bench) -> None:
        made = self.removal(bench)
        made.save(bench.folder, without=[1, 2])
        (bench.folder / f"{made.stream}.000002.jsonl").unlink()
        assert bench.verdict() is MISSING

    def test_of_a_stream_that_went_on_makes_its_loss_missing(self, bench: Bench) -> None:
        made = self.removal(bench)
        for number in (2, 3):
            (bench.folder / f"{made.stream}.{number:06d}.jsonl").unlink()
        assert bench.verdict() is MISSING
        assert bench.verdict([made.head]) is MISSING

    def test_a_removal_that_was_interrupted_is_intact(self, bench: Bench) -> None:
        made = self.removal(bench, up_to=2)
        made.save(bench.folder, without=[1])
        assert bench.verdict([made.head]) is INTACT
        made.save(bench.folder)
        assert bench.verdict([made.head]) is INTACT

    @pytest.mark.parametrize(
        "other", [{"seq": 3}, {"mac": "00" * 32}, {"epoch": 7}, {"closes": "stream"}, {"closes": "epoch"}], ids=str
    )
    def test_that_says_otherwise_makes_what_follows_altered(self, other: dict[str, Any], bench: Bench) -> None:
        self.removal(bench, **other)
        assert bench.verdict() is ALTERED

    @pytest.mark.parametrize(
        "other",
        [
            *({"segment": "1"}, {"segment": True}, {"seq": 0}, {"seq": -1}, {"seq": 10**30}, {"epoch": 1.0}),
            *({"mac": 1}, {"closes": None}, {"sealed_at": 5}, {"stream": ["x"]}),
        ],
        ids=str,
    )
    def test_that_is_none_is_altered(self, other: dict[str, Any], bench: Bench) -> None:
        self.removal(bench, **other)
        assert bench.verdict() is ALTERED

    @pytest.mark.parametrize("own", [{}, {"removed": 1, "retain_days": 1}, {"removed": [], "retain_days": True}])
    def test_of_another_shape_is_altered(self, own: dict[str, Any], bench: Bench) -> None:
        bench.stream().header().line("tombstone", own).seal("stream").save(bench.folder)
        assert bench.verdict() is ALTERED

    def test_heads_of_removed_records_fit_up_to_it(self, bench: Bench) -> None:
        made = self.removal(bench)
        end = Head(made.stream, made.seals[1]["seq"], made.seals[1]["mac"])
        assert bench.verdict([end, replace_mac(end, seq=2), made.head]) is INTACT
        assert bench.verdict([replace_mac(end)]) is TRUNCATED
        assert bench.verdict([replace_mac(end, seq=end.seq + 1)]) is TRUNCATED

    def test_heads_of_a_stream_that_is_gone_fit_up_to_it(self, bench: Bench) -> None:
        made = self.removal(bench, up_to=3)
        assert bench.verdict([made.head, replace_mac(made.head, seq=1)]) is INTACT
        assert bench.verdict([replace_mac(made.head)]) is MISSING
        assert bench.verdict([replace_mac(made.head, seq=made.seq + 1)]) is MISSING

    def test_entries_that_contradict_each_other_let_nothing_pass(self, bench: Bench) -> None:
        made = self.removal(bench, up_to=3)
        other = {**made.seals[3], "mac": "00" * 32}
        bench.stream(3).header().tombstone([other]).seal("stream").save(bench.folder)
        assert bench.verdict([made.head]) is MISSING

    @pytest.mark.parametrize(
        ("days", "sealed_at", "verdict"),
        [
            (None, "junk", INTACT),
            (0, "2026-11-22T23:36:48.000000Z", INTACT),
            (1, "2026-11-21T23:36:48.000000Z", INTACT),
            (2, "2026-11-21T23:36:48.000000Z", TRUNCATED),
            (0, "2027-11-21T23:36:48.000000Z", TRUNCATED),
            (0, "junk", TRUNCATED),
            (0, "2026-11-21T23:36:48.000000", TRUNCATED),
        ],
    )
    def test_is_held_to_the_retention(
        self, days: float | None, sealed_at: str, verdict: Verdict, bench: Bench
    ) -> None:
        self.removal(bench, sealed_at=sealed_at)
        assert bench.verdict(None, days) is verdict


def replace_mac(head: Head, seq: int | None = None) -> Head:
    return Head(head.stream, seq or head.seq, "ab" * 32)


def test_what_an_altered_segment_announces_before_its_fault_counts(bench: Bench) -> None:
    gone = bench.three(1)
    made = bench.stream(2).header([gone.head]).calls().seal("segment").header().seal("stream")
    made.segments[1] = made.segments[1].replace(b'"support-agent"', b'"another-agent"')
    made.save(bench.folder)
    assert bench.verdict() is ALTERED
    assert [finding.verdict for finding in verify(bench.folder, bench.key).findings] == [ALTERED, MISSING]


def test_what_a_header_says_counts_only_if_its_mac_fits(bench: Bench) -> None:
    gone = bench.three(1)
    made = bench.stream(2).header([gone.head]).seal("stream")
    made.segments[1] = made.segments[1].replace(b'"version":"0.1.0"', b'"version":"0.1.1"')
    made.save(bench.folder)
    assert [finding.verdict for finding in verify(bench.folder, bench.key).findings] == [ALTERED]


def test_heads_that_contradict_each_other_cannot_both_fit(bench: Bench) -> None:
    made = bench.three(1)
    made.save(bench.folder)
    assert bench.verdict([made.head]) is INTACT
    assert bench.verdict([made.head, replace_mac(made.head)]) is TRUNCATED


def test_an_older_copy_of_everything_is_found_by_an_anchor_only(bench: Bench) -> None:
    old, new = bench.stream(), bench.stream()
    old.header().calls().seal("segment").header().seal("stream")
    new.header().calls().seal("segment").header().calls().seal("stream")
    old.save(bench.folder)
    assert bench.verdict() is INTACT
    assert bench.verdict([new.head]) is TRUNCATED
    report = verify(bench.folder, bench.key, anchor=write_anchor(bench.anchor, [new.head]))
    assert report.anchored


def test_a_stream_written_anew_is_found_by_an_anchor_only(bench: Bench) -> None:
    """Who holds the folder and the public key can write another stream of the same name."""
    made, forged = bench.three(), bench.stream(key=b"f" * 32)
    forged.header().calls(9).seal("stream").save(bench.folder)
    assert bench.verdict() is INTACT
    assert bench.verdict([made.head]) is TRUNCATED
