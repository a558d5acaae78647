"""Whatever lies in a folder, the verifier says what it is: no crash, no hang, no memory that grows with it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import SealedBox

from storescope.middleware._audit._keys import load_secret
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.forge import CALL, Maker, compact, name, write_keys
from tests.audit.verdicts import both
from tests.rounds import LONG, SCALE

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
STREAM = name(1)
FILE = f"{STREAM}.000001.jsonl"
# In a process of its own, so that its peak can be told; 2 is a usage error, such as a wrong key.
PEAK = """
import sys
from storescope import AuditError
from storescope.middleware._audit._verify import verify
try:
    verdict = int(verify(sys.argv[1], sys.argv[2]).verdict)
except AuditError:
    verdict = 2
lines = open("/proc/self/status").read().splitlines()
print(verdict, next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))
"""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "audit").mkdir()
    return write_keys(tmp_path)[1]


@pytest.fixture
def folder(key: Path) -> Path:
    return key.parent / "audit"


def packed_zeros(mebibytes: int, what: bytes = b"\0") -> bytes:
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(what * (MIB // len(what))) for _ in range(mebibytes)]
    return b"".join([*parts, packer.flush()])


def header_of(key: Path, **own: Any) -> bytes:
    return Maker(load_secret(key).public_key, STREAM).header(**own).segments[1]


BOMBS: dict[str, Callable[[Path], dict[str, bytes]]] = {
    "a packed line without end": lambda _: {f"{FILE}.gz": packed_zeros(256)},
    "packed lines without end": lambda _: {f"{FILE}.gz": packed_zeros(64, b"\n")},
    "a sound header, and what is packed behind it": lambda key: {
        f"{FILE}.gz": gzip.compress(header_of(key)) + packed_zeros(256)
    },
    "beside a plain form": lambda key: {FILE: header_of(key), f"{FILE}.gz": packed_zeros(256)},
    "beside a plain form that it begins like": lambda key: {
        FILE: header_of(key),
        f"{FILE}.gz": gzip.compress(header_of(key)) + packed_zeros(256),
    },
    "many packed files in one": lambda _: {f"{FILE}.gz": gzip.compress(b"") * 100_000},
    "a line without end": lambda _: {FILE: b'{"seq":1' + b"x" * (64 * MIB)},
    "heads without end": lambda _: {FILE: b'{"heads":[' + b"[]," * (4 * MIB)},
    "brackets without end": lambda _: {FILE: b"[" * (8 * MIB) + b"\n"},
    "many tiny files": lambda _: {f"{name(1)}{number}.000001.jsonl": b"x\n" for number in range(3_000)},
    "many segments": lambda _: {f"{STREAM}.{number:06d}.jsonl": b"" for number in range(1, 3_000)},
    "segments far apart": lambda _: {f"{STREAM}.{number}.jsonl": b"" for number in ("000001", "999999")},
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_what_is_made_to_be_endless_is_not_read_into_memory(
    bomb: Callable[[Path], dict[str, bytes]], folder: Path, key: Path
) -> None:
    for file, content in bomb(key).items():
        (folder / file).write_bytes(content)
    told = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder), str(key)], capture_output=True, check=True, timeout=100
    )
    verdict, peak = map(int, told.stdout.split())
    assert verdict not in {Verdict.INTACT, Verdict.USAGE}
    assert peak < 256  # MiB, of which 50 are the imports


def test_links_are_followed_to_files_only(folder: Path, key: Path) -> None:
    link = folder / FILE
    for target in ("/dev/zero", "/dev/full", "/proc/self/fd", str(folder)):
        link.symlink_to(target)
        assert both(folder, key) is Verdict.ALTERED
        link.unlink()
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(header_of(key))
    link.symlink_to(elsewhere)
    assert both(folder, key) is Verdict.UNSEALED


PLAINS = (
    *(b"", b"{}", b"1", b"[" * 100_000, b"\xff\xfe", b'{"mac":1,"ids":1}', b'{"mac":"zz","ids":"zz"}', b'"mac"'),
    *(b'{"mac":[],"ids":{}}', b'{"mac":"' + b"00" * 32 + b'"}', b'{"mac":"00","ids":"00"}', b"9" * 5_000),
)


@pytest.mark.parametrize("plain", PLAINS, ids=lambda plain: repr(plain[:24]))
def test_sealed_keys_that_are_none_are_altered(plain: bytes, folder: Path, key: Path) -> None:
    box = SealedBox(load_secret(key).public_key)
    sealed = base64.b64encode(box.encrypt(plain)).decode()
    (folder / FILE).write_bytes(header_of(key, sealed=sealed))
    assert both(folder, key) is Verdict.ALTERED


@pytest.mark.parametrize(
    "sealed", ["", "=", "AA==", "é", "A" * 100_000, None, 1, [], {}], ids=lambda one: repr(one)[:9]
)
def test_a_sealed_box_that_is_none_is_altered(sealed: Any, folder: Path, key: Path) -> None:
    (folder / FILE).write_bytes(header_of(key, sealed=sealed))
    assert both(folder, key) is Verdict.ALTERED


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([0, 1, 2, 2**63 - 1, 2**63, 2**64, -1, 10**400, 1.0, 1e308]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.sampled_from([STREAM, name(2), "00" * 32, "segment", "stream", "epoch", "header", "seal", "tombstone"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(max_size=3), st.sampled_from(["stream", "seq", "mac", "segment", "epoch", "closes"])
            ),
            inner,
            max_size=7,
        ),
    ),
    max_leaves=12,
)
own_fields = st.dictionaries(
    st.sampled_from(
        [
            *("seq", "stream", "phase", "ts", "segment", "epoch", "prev", "auditor", "sealed", "heads", "format"),
            *(
                "first",
                "last",
                "count",
                "last_mac",
                "closes",
                "removed",
                "retain_days",
                "unlogged",
                "x",
                *CALL[:3],
            ),
        ]
    ),
    json_values,
    max_size=3,
)
forged_lines = st.lists(
    st.tuples(st.sampled_from(["intent", "seal", "gap", "tombstone", "header", "tamper"]), own_fields), max_size=4
)


@pytest.mark.unmeasured
@settings(max_examples=200 * SCALE if LONG else 60)
@given(begin=own_fields, lines=forged_lines, end=st.sampled_from(["epoch", "segment", "stream", None]))
def test_forged_records_of_any_shape_are_judged_alike(
    begin: dict[str, Any], lines: list[tuple[str, dict[str, Any]]], end: str | None
) -> None:
    """Every MAC fits; the fields are anything."""
    with tempfile.TemporaryDirectory() as root:
        auditor, key = write_keys(Path(root))
        made = Maker(auditor, STREAM).header(**begin)
        for phase, own in lines:
            made.line(phase, {} if phase == "seal" else own)
        if end is not None:
            made.seal(end)
        made.save(Path(root) / "audit")
        if both(Path(root) / "audit", key) is not Verdict.USAGE:
            report = verify(Path(root) / "audit", key)
            assert report.summary().isprintable()
            json.dumps(report.to_dict(), allow_nan=False)


names = st.sampled_from(
    [
        *(FILE, f"{FILE}.gz", f"{STREAM}.000002.jsonl", f"{STREAM}.000002.jsonl.gz", f"{name(2)}.000001.jsonl"),
        *("x.jsonl", "x.jsonl.gz", "id.key", ".jsonl", "x.y.000001.jsonl", "x.000000.jsonl", "x.0000001.jsonl"),
        *(f"x.{chr(0x661) * 6}.jsonl", "\udcff.000001.jsonl", "x\n.000001.jsonl", "x.000001.jsonl.gz.jsonl"),
    ]
)
pieces = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\n", b"{}\n", b"\x1f\x8b\x08\0\0\0\0\0\0\0", b'{"seq":1,"stream":"', b"\0" * 100]),
    st.builds(lambda value: compact(value).encode() + b"\n", json_values),
)


@pytest.mark.unmeasured
@settings(max_examples=200 * SCALE if LONG else 60)
@given(files=st.dictionaries(names, st.tuples(st.lists(pieces, max_size=4), st.booleans()), max_size=4))
def test_any_bytes_under_any_name_are_judged_alike(files: dict[str, tuple[list[bytes], bool]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        _, key = write_keys(Path(root))
        folder = Path(root) / "audit"
        folder.mkdir()
        for file, (content, packed) in files.items():
            joined = b"".join(content)
            (folder / os.fsencode(file).decode("utf-8", "surrogateescape")).write_bytes(
                gzip.compress(joined) if packed else joined
            )
        found = both(folder, key)
        assert found is not Verdict.INTACT
