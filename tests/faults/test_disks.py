"""A `FaultyDisk` does what it is told, and leaves nothing behind whatever becomes of its test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.disks import FaultyDisk, faulty_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


HUNG_TEST = """
import pathlib, sys, time
from tests.faults.disks import FaultyDisk

disk = FaultyDisk(pathlib.Path(sys.argv[1]))
disk.start()
disk.hung()
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Generator[FaultyDisk]:
    with faulty_disk(tmp_path / "faulty") as made:
        yield made


@pytest.fixture
def file(disk: FaultyDisk) -> Generator[int]:
    descriptor = os.open(disk.path / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"before\n")
    yield descriptor
    os.close(descriptor)


def took(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_it_is_a_disk(disk: FaultyDisk, file: int) -> None:
    os.write(file, b"after\n")
    os.fdatasync(file)
    assert (disk.real / "file").read_bytes() == (disk.path / "file").read_bytes() == b"before\nafter\n"
    os.ftruncate(file, 3)
    (disk.path / "file").rename(disk.path / "other")
    assert (disk.path / "other").stat().st_size == os.fstat(file).st_size == 3
    assert (disk.path / "other").stat().st_ino == os.fstat(file).st_ino
    (disk.path / "other").unlink()
    assert not list(disk.path.iterdir())


def test_it_is_slow(disk: FaultyDisk, file: int) -> None:
    disk.slow(0.1)
    assert took(lambda: os.write(file, b"x")) >= 0.1
    assert took(lambda: os.fdatasync(file)) >= 0.1
    disk.well()
    assert min(took(lambda: os.write(file, b"x")) for _ in range(20)) < 0.1  # the machine may stand still


def test_it_hangs_until_it_is_well(disk: FaultyDisk, file: int) -> None:
    disk.hung()
    work: list[Callable[[], object]] = [
        lambda: os.write(file, b"after\n"),
        lambda: os.statvfs(disk.path),
        lambda: list(disk.path.iterdir()),
    ]
    threads = [in_thread(one) for one in work]
    time.sleep(0.2)
    assert all(thread.is_alive() for thread in threads)
    disk.well()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert (disk.real / "file").read_bytes() == b"before\nafter\n"


def test_its_syncs_hang_until_it_is_well(disk: FaultyDisk, file: int) -> None:
    disk.hung_syncs()
    assert os.write(file, b"after\n") == 6
    thread = in_thread(lambda: os.fdatasync(file))
    time.sleep(0.2)
    assert thread.is_alive()
    disk.well()
    thread.join(30)
    assert not thread.is_alive()


def test_it_is_full(disk: FaultyDisk, file: int) -> None:
    disk.full(room=3)
    assert os.write(file, b"after\n") == 3
    for refused in (lambda: os.write(file, b"er\n"), (disk.path / "new").touch, (disk.path / "new").mkdir):
        with pytest.raises(OSError, match="No space left"):
            refused()
    assert os.statvfs(disk.path).f_bavail == 0
    os.fdatasync(file)
    disk.well()
    assert os.write(file, b"er\n") == 3
    assert os.statvfs(disk.path).f_bavail > 0


@pytest.mark.parametrize(
    ("fault", "says", "takes_writes", "syncs"),
    [
        (FaultyDisk.read_only, "Read-only", False, True),
        (FaultyDisk.failing, "Input/output", False, False),
        (FaultyDisk.unsyncable, "Input/output", True, False),
    ],
)
def test_it_refuses(
    fault: Callable[[FaultyDisk], None], says: str, takes_writes: bool, syncs: bool, disk: FaultyDisk, file: int
) -> None:
    fault(disk)
    changes: list[Callable[[], object]] = [
        lambda: os.write(file, b"x"),
        (disk.path / "new").touch,
        lambda: os.ftruncate(file, 1),
    ]
    for change, works in [(change, takes_writes) for change in changes] + [(lambda: os.fdatasync(file), syncs)]:
        if works:
            change()
        else:
            with pytest.raises(OSError, match=says):
                change()


def test_who_waits_for_it_when_it_is_removed_gets_an_error(tmp_path: Path) -> None:
    errors: list[OSError] = []

    def write(descriptor: int) -> None:
        try:
            os.write(descriptor, b"x")
        except OSError as error:
            errors.append(error)

    with faulty_disk(tmp_path / "faulty") as disk:
        descriptor = os.open(disk.path / "file", os.O_WRONLY | os.O_CREAT)
        disk.hung()
        thread = in_thread(lambda: write(descriptor))
        time.sleep(0.1)
    thread.join(30)
    assert len(errors) == 1
    with pytest.raises(OSError, match="not connected"):
        os.close(descriptor)


def test_nothing_stays_of_a_disk_whose_test_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HUNG_TEST, str(tmp_path / "faulty")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as test:
        assert test.stdout is not None
        assert test.stdout.readline() == b"up\n"
        mountpoint = f" {tmp_path}/faulty/disk "
        assert mountpoint in Path("/proc/self/mounts").read_text()
        test.send_signal(signal.SIGKILL)
    give_up = time.monotonic() + 10
    while mountpoint in Path("/proc/self/mounts").read_text():
        assert time.monotonic() < give_up
        time.sleep(0.02)
