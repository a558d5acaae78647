"""What tells this machine from others, in the order of what can be relied on; and which hosts are this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope import BackendError
from storescope.backends import _machine
from storescope.backends._machine import is_here, machine_id

if TYPE_CHECKING:
    from pathlib import Path

IDS = {
    "_INSTANCE": "i-0123456789abcdef0",
    "_INSTALLED": "3d1219c7c4c5404aaa1f6d2a48adfda4",
    "_BOOT": "512b5561-ba2e",
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has everything, and is no container."""
    for name, text in IDS.items():
        monkeypatch.setattr(_machine, name, tmp_path / name)
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(_machine, "_IN_CONTAINER", (tmp_path / "container",))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def test_the_best_id_that_there_is_counts_alone(machine: Path) -> None:
    found: list[str] = []
    for name in IDS:
        found.append(machine_id())
        (machine / next(other for other in IDS if other != name)).touch()  # the others do not matter
        assert machine_id() == found[-1]
        (machine / name).unlink()
    assert len(set(found)) == 3
    with pytest.raises(BackendError, match="/etc/machine-id"):
        machine_id()


def test_no_id_of_the_machine_is_given_away(machine: Path) -> None:
    shown = machine_id()
    assert len(shown) == 16
    assert not any(shown in text or text in shown for text in IDS.values())


@pytest.mark.parametrize("text", ["", "uninitialized", "0" * 32, "not an id", "é"])
def test_a_machine_id_that_was_never_set_is_none(machine: Path, text: str) -> None:
    (machine / "_INSTANCE").write_text("Not Specified")
    (machine / "_INSTALLED").write_text(text)
    by_boot = machine_id()
    (machine / "_INSTALLED").unlink()
    assert machine_id() == by_boot


@pytest.mark.parametrize("kubernetes", [True, False])
def test_a_container_has_not_the_id_of_its_image(
    machine: Path, monkeypatch: pytest.MonkeyPatch, *, kubernetes: bool
) -> None:
    (machine / "_INSTANCE").unlink()
    installed = machine_id()
    if kubernetes:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    else:
        (machine / "container").touch()
    by_boot = machine_id()
    assert by_boot != installed
    (machine / "_BOOT").write_text("another boot")
    assert machine_id() != by_boot
    monkeypatch.setattr(_machine, "_is_mounted", lambda _: True)  # the host's, mounted into the container
    assert machine_id() == installed


def test_this_machine_has_an_id_that_stays() -> None:
    assert machine_id() == machine_id()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "agents.localhost",
        "ip6-localhost",
        "127.0.0.1",
        "127.1",
        "127.255.3.4",
        "0.0.0.0",  # on Linux, it leads here
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "/run/postgresql",
        "@abstract",
    ],
)
def test_what_each_machine_calls_itself_is_here(host: str) -> None:
    assert is_here(host)


@pytest.mark.parametrize(
    "host", ["db1", "db1.acme.example", "localhost.acme.example", "10.0.0.5", "2001:db8::1", "fe80::1%eth0", "a:b"]
)
def test_what_others_are_called_is_not(host: str) -> None:
    assert not is_here(host)
