"""A policy file that changes: a sound one is in force at once; a wrong one changes nothing, and is told."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from storescope import BackendInfo, PolicyError, ResidencyError, call_context, wrap
from storescope.middleware import PolicyFile, metrics, region_guard, tracing
from tests.region.policies import EU

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from storescope.middleware import ResidencyPolicy

POLICY = """
schema = "residency/1"
version = "{version}"
mode = "enforce"
min_confidence = "declared"
[regions]
eu = ["aws:eu-west-1"]
us = ["aws:us-east-1"]
[tenants]
secret-tenant = "{rule}"
[rules.eu-only]
store = ["eu"]
access = ["eu"]
home = "aws:eu-west-1"
telemetry = ["{telemetry}"]
[rules.us-only]
store = ["us"]
access = ["us"]
home = "aws:us-east-1"
[[exceptions]]
id = "x{version}"
rule = "us-only"
operations = ["session.get"]
access = ["eu"]
reason = "why"
approved_by = ["a", "b"]
expires = 2999-12-01T00:00:00Z
"""


def text(version: int = 1, rule: str = "eu-only", telemetry: str = "eu") -> str:
    return POLICY.format(version=version, rule=rule, telemetry=telemetry)


def put(path: Path, content: str) -> None:
    """Replace the file as one should."""
    draft = path.with_suffix(".new")
    draft.write_text(content)
    draft.replace(path)


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(text())
    return tmp_path / "policy.toml"


@pytest.fixture
def file(path: Path) -> Generator[PolicyFile]:
    """A policy file that only the test looks at."""
    with PolicyFile(path, check_every=3600) as opened:
        yield opened


@pytest.fixture
def lines() -> Generator[list[dict[str, Any]]]:
    """What an application that configured structlog sees."""
    seen: list[dict[str, Any]] = []

    def keep(_: Any, level: str, event: Any) -> Any:
        seen.append({"level": level, **event})
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield seen
    structlog.reset_defaults()


def test_a_new_policy_is_in_force_and_told(file: PolicyFile, path: Path, lines: list[dict[str, Any]]) -> None:
    first = file.current
    assert not file.reload()
    put(path, text(2))
    assert file.reload()
    assert file.current.version == "2"
    assert lines == [
        {
            "level": "info",
            "event": "storescope.residency.policy_reloaded",
            "version": "2",
            "digest": file.current.digest,
            "previous": first.digest,
        }
    ]
    assert file.failures == 0


def test_the_same_policy_in_other_words_is_no_new_one(
    file: PolicyFile, path: Path, lines: list[dict[str, Any]]
) -> None:
    first = file.current
    put(path, text() + "# a comment")
    assert not file.reload()
    assert file.current is first
    assert lines == []


def test_a_change_of_the_same_size_and_time_is_seen(file: PolicyFile, path: Path) -> None:
    times = path.stat()
    path.write_text(text(2))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert file.reload()


def remove(path: Path) -> None:
    path.unlink()


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def write(content: str) -> Callable[[Path], None]:
    return lambda path: put(path, content)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (write(text(rule="eu-onyl")), "did you mean 'eu-only'?"),
        (write(text()[:200]), "policy.toml"),  # half written
        (write(""), "schema: is missing"),
        (write("\0"), "is not TOML"),
        (remove, "cannot be read: No such file"),
        (make_a_folder, "cannot be read: Is a directory"),
    ],
)
def test_a_wrong_new_file_leaves_the_old_policy_in_force_and_is_told_once(
    spoil: Callable[[Path], None], says: str, file: PolicyFile, path: Path, lines: list[dict[str, Any]]
) -> None:
    first = file.current
    spoil(path)
    for _ in range(3):
        assert not file.reload()
    assert file.current is first
    assert file.failures == 1
    (line,) = lines
    assert (line["level"], line["event"]) == ("error", "storescope.residency.reload_failed")
    assert (line["in_force"], says in line["error"]) == (first.digest, True)
    if path.is_dir():
        path.rmdir()
    put(path, text(2))
    assert file.reload()
    assert (file.current.version, file.failures) == ("2", 1)


def test_the_old_policy_again_is_no_failure(file: PolicyFile, path: Path) -> None:
    first = file.current
    put(path, "nonsense")
    assert not file.reload()
    put(path, text())
    assert not file.reload()
    assert file.current is first
    put(path, "nonsense")
    assert not file.reload()
    assert file.failures == 2


def test_a_file_that_may_not_be_read_leaves_the_old_policy(
    file: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, who may read anything."""

    def forbidden(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", forbidden)
    assert not file.reload()
    assert (file.current.version, file.failures) == ("1", 1)


@pytest.mark.parametrize("content", [None, "", text(rule="none")])
def test_at_first_a_wrong_file_is_one_clear_error_and_no_thread(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "policy.toml").write_text(content)
    with pytest.raises(PolicyError, match=r"policy\.toml: "):
        PolicyFile(tmp_path / "policy.toml")
    assert not watching()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_is_none_is_refused(seconds: float, path: Path) -> None:
    with pytest.raises(PolicyError, match="greater than 0"):
        PolicyFile(path, check_every=seconds)


def test_a_relative_path_and_a_link_are_followed_wherever_the_process_goes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes swaps a link to a folder when a mounted policy changes."""
    monkeypatch.chdir(path.parent)
    path.rename("1.toml")
    path.symlink_to("1.toml")
    with PolicyFile("policy.toml", check_every=3600) as file:
        monkeypatch.chdir("/")
        path.with_name("2.toml").write_text(text(2))
        path.with_name("link").symlink_to("2.toml")
        path.with_name("link").replace(path)
        assert file.reload()


class TestThread:
    def test_it_sees_a_new_file(self, path: Path) -> None:
        with PolicyFile(path, check_every=0.01) as file:
            put(path, text(2))
            eventually(lambda: file.current.version == "2")

    def test_a_subscriber_that_fails_does_not_end_it(self, path: Path, lines: list[dict[str, Any]]) -> None:
        def fail(policy: ResidencyPolicy) -> None:
            if policy.version == "2":
                raise RuntimeError("secret")

        with PolicyFile(path, check_every=0.01) as file:
            file.subscribe(fail)
            put(path, text(2))
            eventually(lambda: file.failures == 1)
            assert lines[0]["error"] == f"{path}: RuntimeError"
            put(path, text(3))
            eventually(lambda: file.current.version == "3")

    def test_it_ends_when_the_file_is_closed_or_dropped(self, path: Path) -> None:
        file = PolicyFile(path, check_every=0.01)
        assert watching()
        file.close()
        assert not watching()
        dropped = PolicyFile(path, check_every=0.01)
        assert watching()
        del file, dropped
        gc.collect()
        eventually(lambda: not watching())

    def test_it_keeps_no_process_alive_and_goes_on_after_a_fork(self, path: Path) -> None:
        code = f"""
import os, sys, time
from pathlib import Path
from storescope.middleware import PolicyFile
path = Path({str(path)!r})
file = PolicyFile(path, check_every=0.01)
child = os.fork()
if child == 0:
    deadline = time.monotonic() + 20
    while file.current.version != "2" and time.monotonic() < deadline:
        time.sleep(0.01)
    os._exit(0 if file.current.version == "2" else 1)
path.with_name("new").write_text(path.read_text().replace('version = "1"', 'version = "2"'))
path.with_name("new").replace(path)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    def test_who_reads_meanwhile_sees_one_policy_or_the_other(self, path: Path) -> None:
        """Whatever is read from `current` belongs together, also where the file is written in place."""
        mixed: list[ResidencyPolicy] = []
        with PolicyFile(path, check_every=0.001) as file:
            stop = threading.Event()

            def read() -> None:
                while not stop.is_set():
                    policy = file.current
                    if policy.exceptions[0].id != f"x{policy.version}":
                        mixed.append(policy)

            readers = [threading.Thread(target=read) for _ in range(2)]
            for reader in readers:
                reader.start()
            for version in range(2, 60):
                path.write_text(text(version))  # not atomic: some are seen half written
                time.sleep(0.002)
            eventually(lambda: file.current.version == "59")
            stop.set()
            for reader in readers:
                reader.join()
        assert mixed == []


def watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "storescope-policy"]


BACKEND = BackendInfo("memory", region=EU)


async def get_session(*, id: str) -> str:
    return id


async def test_the_guard_decides_by_the_new_policy_from_the_next_call_on(file: PolicyFile, path: Path) -> None:
    get = wrap({"session.get": get_session}, region_guard(file, caller_region=EU), backend=BACKEND)["session.get"]
    with call_context(tenant="secret-tenant"):
        assert await get(id="s1") == "s1"
        put(path, text(2, rule="us-only"))
        assert file.reload()
        with pytest.raises(ResidencyError) as denied:
            await get(id="s1")
    assert denied.value.decision.policy == file.current.digest


async def test_a_policy_that_forbids_the_stacks_telemetry_is_refused(
    file: PolicyFile, path: Path, lines: list[dict[str, Any]]
) -> None:
    handlers = wrap({"session.get": get_session}, tracing(region=EU), region_guard(file), backend=BACKEND)
    put(path, text(2, telemetry="us"))
    assert not file.reload()
    assert (file.current.version, file.failures) == ("1", 1)
    assert "tracing is in aws:eu-west-1" in lines[0]["error"]
    del handlers
    gc.collect()
    put(path, text(3, telemetry="us"))
    assert file.reload()  # the guard is gone, and refuses nothing


async def test_the_metrics_tell_of_the_policy_in_force_and_of_no_other(file: PolicyFile, path: Path) -> None:
    registry = CollectorRegistry()
    layers = metrics(registry=registry, region=EU), region_guard(file, caller_region=EU)
    handlers = wrap({"session.get": get_session}, *layers, backend=BACKEND)

    def found(name: str) -> dict[str, float]:
        families = {family.name: family for family in registry.collect()}
        samples = families[f"agent_storage_residency_{name}"].samples
        return {",".join(sample.labels.values()): sample.value for sample in samples}

    for version in (1, 2, 3):
        put(path, text(version))
        file.reload()
        assert found("policy_info") == {f"{version},{file.current.digest}": 1}
        assert found("exception_expiry_timestamp_seconds") == {f"x{version}": file.current.exceptions[0].expires}
    ended = text(4).replace("2999-12-01", "2001-12-01")
    put(path, ended)
    file.reload()
    assert found("exception_expiry_timestamp_seconds") == {}
    assert (found("policy_reload_failures"), found("policy_refused")) == ({"": 0}, {"": 0})
    put(path, "nonsense")
    file.reload()
    assert (found("policy_reload_failures"), found("policy_refused")) == ({"": 1}, {"": 1})
    put(path, ended)
    file.reload()
    assert (found("policy_reload_failures"), found("policy_refused")) == ({"": 1}, {"": 0})
    assert found("policy_info") == {f"4,{file.current.digest}": 1}
    del handlers, layers
    gc.collect()
    assert found("policy_info") == {}
    assert found("policy_reload_failures") == {"": 1}  # a counter does not fall


def test_no_log_line_names_a_tenant(file: PolicyFile, path: Path, lines: list[dict[str, Any]]) -> None:
    put(path, text(2))
    file.reload()
    for content in (text(rule="none").replace("secret-tenant", "other"), text()[:100], text(3) + "[x]"):
        put(path, content)
        file.reload()
    path.unlink()
    file.reload()
    assert [line["event"].rsplit(".", 1)[1] for line in lines] == ["policy_reloaded", *["reload_failed"] * 4]
    assert "secret-tenant" not in str(lines)
