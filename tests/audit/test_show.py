"""`storescope audit show`: filters, formats, following; and a log that cannot talk to the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from storescope import CallContext, Store
from storescope.apps._audit_show_text import TextLines, shown
from storescope.errors import AuditError
from storescope.middleware import AuditLog
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._line import is_ts
from storescope.middleware._audit._reading._cursor import Entry
from storescope.middleware._audit._reading._filter import Filter, Ids, time_of
from tests.apps.command import PROGRAM, assert_one_line, storescope, storescope_here
from tests.audit.lines import line, record, ts, write
from tests.audit.logs import make_folder, wrapped, write_some

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

HOSTILE = "a\x1b[2J\x07\r\n\u202e\u2066\x9b31m\ud800\x00\u2028z"


def entry(**fields: Any) -> Entry:
    made = {**record("a", 1, 60), **fields}
    return Entry(made, b"", made["ts"] if is_ts(made["ts"]) else ts(60))


def text_of(made: Entry) -> str:
    return TextLines(colours=False).line(made)


def show(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """Run the command and return what it shows."""
    done = storescope_here("audit", "show", folder, "--format", "json", *arguments, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(each) for each in done.stdout.splitlines()]


class TestFilter:
    @pytest.mark.parametrize(
        ("wanted", "fits", "fits_not"),
        [
            (Filter(since=ts(60)), {}, {"ts": ts(59.9)}),
            (Filter(until=ts(60)), {}, {"ts": ts(60.1)}),
            (Filter(equal={"tenant": {"acme", "beta"}}), {"tenant": "beta"}, {"tenant": "acm"}),
            (
                Filter(equal={"tenant": {"acme"}, "actor": {"me"}}),
                {"tenant": "acme", "actor": "me"},
                {"actor": "me"},
            ),
            (Filter(equal={"tenant": {"None"}}), {"tenant": "None"}, {"tenant": None}),
            (Filter(equal={"tenant": {"acme"}}), {"tenant": "acme"}, {"tenant": ["acme"]}),
            (Filter(operations={"session"}), {"operation": "session.set"}, {"operation": "sessions.set"}),
            (Filter(operations={"session.set"}), {"operation": "session.set"}, {"operation": "session.get"}),
            (Filter(operations={"part", "session.set"}), {"operation": "part.get"}, {"operation": "session.get"}),
            (Filter(operations={"session"}), {"operation": "session.set"}, {"operation": {"session": 1}}),
        ],
    )
    def test_what_is_asked_for(self, wanted: Filter, fits: dict[str, Any], fits_not: dict[str, Any]) -> None:
        assert wanted.fits(entry(**fits))
        assert not wanted.fits(entry(**fits_not))

    def test_nothing_asked_for_is_everything(self) -> None:
        assert Filter(equal={"tenant": frozenset()}).fits(entry())

    @pytest.mark.parametrize(
        ("given", "means"),
        [
            ("2026-11-22T23:36:48Z", "2026-11-22T23:36:48.000000Z"),
            ("2026-11-22T23:36:48.5+02:00", "2026-11-22T21:36:48.500000Z"),
            ("2026-11-22 23:36", "2026-11-22T23:36:00.000000Z"),
            ("2026-11-22", "2026-11-22T00:00:00.000000Z"),
            ("15m", "2026-11-22T11:45:00.000000Z"),
            ("2h", "2026-11-22T10:00:00.000000Z"),
            ("1d", "2026-11-21T12:00:00.000000Z"),
            ("1w", "2026-11-15T12:00:00.000000Z"),
            ("30s", "2026-11-22T11:59:30.000000Z"),
        ],
    )
    def test_times(self, given: str, means: str) -> None:
        assert time_of(given, now=datetime(2026, 11, 22, 12, tzinfo=UTC)) == means

    @pytest.mark.parametrize(
        "given", ["", "soon", "15", "m", "-2h", "999999999w", "2026-13-01", "0001-01-01T00:00+14:00"]
    )
    def test_what_is_no_time_says_what_would_be(self, given: str) -> None:
        with pytest.raises(ValueError, match=r"is neither a time, .*, nor how long ago: 15m"):
            time_of(given)


class TestIds:
    @pytest.mark.parametrize("ids", ["hashed", "clear"])
    def test_sessions_and_records_are_found_by_their_ids(self, ids: Any, tmp_path: Path) -> None:
        public, secret = generate(tmp_path / "auditor")
        for _ in range(2):
            with AuditLog.open(tmp_path / "audit", auditor=public, durability="none", ids=ids) as log:
                asyncio.run(write_some(log, 3))
        for name in ("session", "record"):
            found = show(tmp_path / "audit", f"--{name}", "s1", "--key", secret)
            assert len(found) == 6
            assert {made["operation"] for made in found} == {"session.get", "session.set"}
        assert len(show(tmp_path / "audit", "--session", "s1", "--session", "s2", "--key", secret)) == 12
        assert not show(tmp_path / "audit", "--session", "s", "--key", secret)

    def test_a_hash_as_it_is_shown_needs_no_key(self, tmp_path: Path) -> None:
        folder, secret = make_folder(tmp_path, streams=1)
        found = show(folder, "--record", "s1", "--key", secret)
        for digits in (8, 32):
            assert show(folder, "--record", found[0]["record"][:digits]) == found

    def test_an_id_without_a_key_says_what_is_missing(self, tmp_path: Path) -> None:
        folder, _ = make_folder(tmp_path, streams=1)
        done = storescope_here("audit", "show", folder, "--session", "s1", cwd=tmp_path)
        assert "give --key NAME.key" in assert_one_line(done, 2)

    def test_another_key_is_refused(self, tmp_path: Path) -> None:
        folder, _ = make_folder(tmp_path, streams=1)
        _, other = generate(tmp_path / "other")
        done = storescope_here("audit", "show", folder, "--session", "s1", "--key", other, cwd=tmp_path)
        assert "the key is not the one that stream" in assert_one_line(done, 2)

    def test_a_header_whose_keys_were_altered_is_not_passed_over(self, tmp_path: Path) -> None:
        """Else what is looked for would quietly not be found in that stream."""
        folder, secret = make_folder(tmp_path, streams=1)
        (path,) = folder.glob("*.jsonl")
        header = json.loads(path.read_bytes().splitlines()[0])
        for sealed in ({"sealed": "AAAA"}, {"sealed": None}, {}):
            altered = {name: value for name, value in header.items() if name != "sealed"} | sealed
            with pytest.raises(AuditError, match=r"sealed keys of stream .* were altered"):
                Ids(["s1"], secret).learn(altered)


class TestText:
    def test_a_record_is_one_line_in_columns(self) -> None:
        lines = TextLines(colours=False)
        titles = lines.titles()
        made = entry(
            operation="message.listBySession",
            tenant="acme",
            actor="someone",
            record="0123456789abcdef" * 2,
            session="s1",
            outcome="denied",
            error_type="ResidencyError",
            duration_us=1234,
            decision="deny",
            code="tenant_mismatch",
            trace_id="f" * 32,
        )
        assert lines.line(made).split() == [
            *("2026-11-22T10:01:00.000Z", "denied", "message.listBySession", "acme", "someone", "01234567", "s1"),
            *("1.23ms", "deny", "f" * 32, "ResidencyError", "tenant_mismatch"),
        ]
        assert lines.line(made).index("acme") == titles.index("TENANT")
        assert lines.line(made).rindex("deny") == titles.index("DECISION")

    def test_what_speaks_of_the_log_says_what(self) -> None:
        made = entry(phase="seal", count=7, last_mac="ab" * 32, closes="stream", mac="cd" * 32)
        assert text_of(made).split() == [
            *("2026-11-22T10:01:00.000Z", "seal", "count=7", "last_mac=abababab", "closes=stream")
        ]
        assert text_of(entry(phase="header", heads=[1, 2], sealed="x" * 500)).endswith("heads=2")

    @pytest.mark.parametrize(
        ("us", "took"), [(0, "0us"), (999, "999us"), (1_500, "1.5ms"), (2_000_000, "2s"), (None, "-"), ("x", "x")]
    )
    def test_durations(self, us: object, took: str) -> None:
        assert text_of(entry(duration_us=us)).split()[7] == took

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "-"),
            ("acme", "acme"),
            ("grüße-東京", "grüße-東京"),
            ("-", '"-"'),
            ("", '""'),
            ("a b", '"a b"'),
            ('say "x"', '"say \\"x\\""'),
            ("a\\x1b", '"a\\\\x1b"'),
            ("a\x1b", '"a\\x1b"'),
            ("\u202egnp", '"\\u202egnp"'),
            ({"a": "\x7f"}, '{"a": "\\u007f"}'),
            (True, "true"),
            ("x" * 1000, "x" * 300 + "...(700 more)"),
        ],
    )
    def test_a_value_can_be_nothing_but_itself(self, value: object, text: str) -> None:
        assert shown(value) == text

    @pytest.mark.parametrize("name", [*record("a", 1, 1), "note"])
    @pytest.mark.parametrize("phase", ["outcome", "gap"])
    def test_no_value_of_no_field_reaches_the_terminal(self, name: str, phase: str) -> None:
        for value in (HOSTILE, [HOSTILE], {HOSTILE: {HOSTILE: [HOSTILE]}}, 10**4000, -1.5, True):
            made = entry(**{"phase": phase, name: value, f"own {HOSTILE}": value})
            for colours in (False, True):
                text = TextLines(colours=colours).line(made)
                assert text.count("\x1b") <= (4 if colours else 0)  # two cells are coloured
                assert all(char.isprintable() or char == "\x1b" for char in text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls of two tenants in two streams, one of which is compressed."""
    root = tmp_path_factory.mktemp("show")
    folder, _ = make_folder(root, streams=1)
    write(folder, "b", 1, [line("b", 1, 1, tenant="beta", call_id="c1", trace_id="ab" * 16)], packed=True)
    write(folder, "b", 2, [line("b", 2, 2, operation="part.set", outcome="denied", decision="deny")])
    return folder


class TestCommand:
    @pytest.mark.unmeasured
    @pytest.mark.parametrize(
        ("arguments", "count"),
        [
            ([], 10),
            (["--tenant", "acme"], 6),
            (["--tenant", "acme", "--tenant", "beta"], 7),
            (["--actor", "someone", "--operation", "session.set"], 4),
            (["--operation", "session"], 7),
            (["--operation", "part", "--operation", "session.set"], 5),
            (["--outcome", "denied", "--outcome", "error"], 1),
            (["--decision", "deny"], 1),
            (["--phase", "intent", "--phase", "seal"], 3),
            (["--trace", "AB" * 16], 1),
            (["--call", "c1"], 1),
            (["--until", ts(1)], 1),
            (["--until", "9999-12-31T23:59:59.999999Z"], 10),
            (["--since", "2026-11-22T10:00:02", "--until", "2026-11-22T10:00:02.000000Z"], 1),
            (["--since", "1d"], 8),
            (["-n", "3"], 3),
            (["--limit", "0"], 0),
            (["--lines", "1", "--tenant", "beta"], 1),
        ],
    )
    def test_options_narrow_it_down(self, arguments: list[str], count: int, folder: Path) -> None:
        assert len(show(folder, *arguments)) == count

    def test_the_last_lines_are_the_newest(self, folder: Path) -> None:
        assert show(folder, "-n", 2) == show(folder)[-2:]

    def test_json_is_the_very_line(self, folder: Path) -> None:
        done = storescope_here("audit", "show", folder, "--format", "json", cwd=folder)
        (path,) = folder.glob("2*.jsonl")
        assert done.stdout.encode().endswith(path.read_bytes())

    def test_text_is_one_line_for_each_record_without_colours(self, folder: Path) -> None:
        done = storescope_here("audit", "show", folder, cwd=folder)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 10
        assert "\x1b" not in done.stdout
        assert "TIME" not in done.stdout

    @pytest.mark.parametrize(("environment", "colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_a_terminal_gets_titles_and_colours(
        self, environment: dict[str, str], colours: bool, folder: Path
    ) -> None:
        text = _in_terminal(["audit", "show", folder, "-n", "2"], environment)
        assert text.startswith("TIME ")
        assert len(text.splitlines()) == 3
        assert ("\x1b[" in text) is colours

    def test_a_terminal_that_knows_ascii_only_is_no_reason_to_fail(self, tmp_path: Path) -> None:
        write(tmp_path / "audit", "a", 1, [line("a", 1, 1, tenant="grüße")])
        done = storescope("audit", "show", "audit", cwd=tmp_path, PYTHONIOENCODING="ascii")
        assert done.returncode == 0
        assert "gr\\xfc\\xdfe" in done.stdout

    def test_what_is_no_record_is_one_line_on_stderr_and_exit_code_1(self, tmp_path: Path) -> None:
        write(tmp_path / "audit", "a\x1b[2J", 1, [line("a", 1, 1), b"noise\n", line("a", 3, 3), b'{"torn'])
        done = storescope_here("audit", "show", "audit", "--format", "json", cwd=tmp_path)
        assert done.returncode == 1
        assert [json.loads(each)["seq"] for each in done.stdout.splitlines()] == [1, 3]
        name = "audit/a\\x1b[2J.000001.jsonl"
        assert done.stderr.splitlines() == [
            f"storescope: {name}, line 2: the line is not an audit record: it is not JSON",
            f"storescope: {name}, line 4: the line is torn: it has no end",
        ]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["nowhere"], "nowhere: cannot be read"),
            (["."], "holds no audit stream"),
            ([".", "--record", "r1", "--key", "nowhere.key"], "nowhere.key"),
        ],
    )
    def test_wrong_usage_exits_2(self, arguments: list[str], says: str, tmp_path: Path) -> None:
        assert says in assert_one_line(storescope_here("audit", "show", *arguments, cwd=tmp_path), 2)

    @pytest.mark.parametrize(
        "option", [["--since", "soon"], ["--operation", "sesion"], ["--outcome", "bad"], ["-n", "-1"]]
    )
    def test_a_wrong_option_exits_2_and_says_what_is_allowed(self, option: list[str], folder: Path) -> None:
        done = storescope_here("audit", "show", folder, *option, cwd=folder)
        assert done.returncode == 2
        assert f"Invalid value for '{option[0]}" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_reader_that_goes_away_ends_it_quietly(self, tmp_path: Path) -> None:
        write(tmp_path / "audit", "a", 1, (line("a", seq, seq % 3000) for seq in range(1, 3000)))
        for form in ("text", "json", "ocsf"):
            command = f"{PROGRAM} audit show audit --format {form} | head -n 1"
            done = subprocess.run(command, shell=True, cwd=tmp_path, check=False, capture_output=True, text=True)
            assert done.stderr == ""
            assert len(done.stdout.splitlines()) == 1


class TestFollow:
    def test_what_is_written_is_shown_once_and_ctrl_c_ends_it(self, tmp_path: Path) -> None:
        public, _ = generate(tmp_path / "auditor")
        with _following(tmp_path / "audit", "--tenant", "acme", "--format", "json") as follower:
            for _ in range(2):
                with AuditLog.open(tmp_path / "audit", auditor=public, durability="none") as log:
                    asyncio.run(write_some(log, 5))
            found = [json.loads(follower.readline()) for _ in range(30)]
            assert len({(made["stream"], made["seq"]) for made in found}) == 30
            follower.interrupt()
            assert follower.rest() == ("", "")
            assert follower.process.returncode == 130

    def test_the_last_lines_come_first(self, tmp_path: Path) -> None:
        path = write(tmp_path / "audit", "a", 1, (line("a", seq, seq) for seq in range(1, 10)))
        with _following(tmp_path / "audit", "-n", "2", "--format", "json") as follower:
            assert [json.loads(follower.readline())["seq"] for _ in range(2)] == [8, 9]
            with path.open("ab") as file:
                file.write(line("a", 10, 10))
            assert json.loads(follower.readline())["seq"] == 10

    def test_it_ends_when_nobody_reads_although_nothing_is_written(self, tmp_path: Path) -> None:
        write(tmp_path / "audit", "a", 1, [line("a", 1, 1)])
        command = f"{PROGRAM} audit show audit --follow | head -n 1"
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=30
        )
        assert done.stderr == ""
        assert len(done.stdout.splitlines()) == 1

    def test_waiting_is_no_work(self, tmp_path: Path) -> None:
        write(tmp_path / "audit", "a", 1, [line("a", 1, 1)])
        with _following(tmp_path / "audit") as follower:
            follower.readline()
            before = follower.cpu_seconds()
            time.sleep(2)
            assert follower.cpu_seconds() - before < 0.3

    async def test_many_live_writers(self, tmp_path: Path) -> None:
        """Streams side by side, each flushed as it goes: the follower misses none and repeats none."""
        public, _ = generate(tmp_path / "auditor")
        with _following(tmp_path / "audit", "--phase", "outcome", "--format", "json") as follower:
            logs = [AuditLog.open(tmp_path / "audit", auditor=public, durability="none") for _ in range(4)]
            for number in range(25):
                for log in logs:
                    params = {"id": f"s{number}"}
                    await Store("session.get", params, CallContext(tenant="acme")).on(wrapped(log))
            for log in logs:
                log.close()
            found = [json.loads(follower.readline()) for _ in range(100)]
            assert len({(made["stream"], made["seq"]) for made in found}) == 100
            follower.interrupt()
            assert follower.rest() == ("", "")


class _Follower:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def readline(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def interrupt(self) -> None:
        time.sleep(0.3)  # would it show anything twice, it had the time
        self.process.send_signal(signal.SIGINT)

    def rest(self) -> tuple[str, str]:
        out, err = self.process.communicate(timeout=20)
        return out, err.strip()

    def cpu_seconds(self) -> float:
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:  # noqa: PTH123 (one line of a number)
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _following(folder: Path, *arguments: str) -> Generator[_Follower]:
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [PROGRAM, "audit", "show", folder, "--follow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            try:
                yield _Follower(process)
            finally:
                process.kill()
    finally:
        process.wait()


def _in_terminal(arguments: list[Any], environment: dict[str, str]) -> str:
    """Run the command in a terminal and return what it shows there."""
    ours, its = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=its, env={**inherited, **environment}):
        os.close(its)
        text = b""
        with contextlib.suppress(OSError):  # the other side was closed
            while piece := os.read(ours, 65536):
                text += piece
    os.close(ours)
    return text.decode()
