"""Keys: made once, never overwritten, never in clear where they should not be."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from nacl.public import PrivateKey, SealedBox

from storescope import AuditError
from storescope.middleware import AuditLog
from storescope.middleware._audit._chain import next_key
from storescope.middleware._audit._keys import StreamKeys, generate, load_public, load_secret
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._hmac import Hmac
from tests.audit.logs import make_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pair_is_made_and_never_overwritten(tmp_path: Path) -> None:
    public, secret = generate(tmp_path / "deep" / "auditor")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644
    assert load_secret(secret).public_key == load_public(public)
    with pytest.raises(AuditError, match="exists already"):
        generate(tmp_path / "deep" / "auditor")
    assert sorted(path.name for path in secret.parent.iterdir()) == ["auditor.key", "auditor.pub"]


@pytest.mark.parametrize("kept", [".pub", ".key"])
def test_half_a_pair_is_left_as_it_is(kept: str, tmp_path: Path) -> None:
    """The other half would be a key that does not fit it."""
    for path in generate(tmp_path / "auditor"):
        if path.suffix != kept:
            path.unlink()
    before = (tmp_path / f"auditor{kept}").read_bytes()
    with pytest.raises(AuditError, match="exists already"):
        generate(tmp_path / "auditor")
    assert [path.name for path in tmp_path.iterdir()] == [f"auditor{kept}"]
    assert (tmp_path / f"auditor{kept}").read_bytes() == before


def test_who_comes_second_to_a_pair_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once: neither sees the other's files when it looks first."""
    generate(tmp_path / "auditor")
    monkeypatch.setattr("storescope.middleware._key_files.Path.exists", lambda self: False)
    with pytest.raises(AuditError, match=r"auditor\.key exists already"):
        generate(tmp_path / "auditor")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kept", [".pub", ".key"])
def test_half_a_pair_beside_the_folder_is_enough_to_write(kept: str, tmp_path: Path) -> None:
    """The secret key moved away, as advised; or the maker was stopped between the two."""
    _, secret = generate(tmp_path / "audit")
    copy = tmp_path / "elsewhere.key"
    copy.write_bytes(secret.read_bytes())
    (tmp_path / ("audit.key" if kept == ".pub" else "audit.pub")).unlink()
    AuditLog.open(tmp_path / "audit").close()
    assert verify(tmp_path / "audit", copy).verdict is Verdict.INTACT


def test_swapped_keys_are_told_apart(tmp_path: Path) -> None:
    folder, secret = make_folder(tmp_path, streams=1)
    with pytest.raises(AuditError, match="is not a secret key"):
        verify(folder, secret.with_suffix(".pub"))
    with pytest.raises(AuditError, match="is not a public key"):
        AuditLog.open(folder, auditor=secret)


def test_a_key_that_nothing_can_be_sealed_to_is_refused_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "zero.pub").write_text("storescope-audit-public-1:" + base64.b64encode(bytes(32)).decode())
    with pytest.raises(AuditError, match="nothing can be sealed"):
        AuditLog.open(tmp_path / "audit", auditor=tmp_path / "zero.pub")


@pytest.mark.parametrize(
    "plain",
    [b"", b"[]", b"{}", b'{"mac":1,"ids":2}', b'{"mac":"00","ids":"00"}', b"[" * 100_000, b"\xff"],
    ids=lambda plain: repr(plain[:20]),
)
def test_what_is_sealed_but_is_no_keys_is_refused(plain: bytes) -> None:
    auditor = PrivateKey.generate()
    sealed = base64.b64encode(SealedBox(auditor.public_key).encrypt(plain)).decode()
    with pytest.raises(ValueError, match=r"."):
        StreamKeys.unseal(sealed, auditor)


def test_a_pair_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="cannot be made"):
        generate(tmp_path / "file" / "auditor")

    def refuse(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted", str(target))

    monkeypatch.setattr("storescope.middleware._files.os.link", refuse)
    with pytest.raises(AuditError, match=r"auditor\.key: the key cannot be written: Operation not permitted"):
        generate(tmp_path / "auditor")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # no draft stays


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"storescope-audit-secret-1:!!!", b"\xff", b"storescope-audit-secret-1:AAAA"]
)
def test_a_damaged_key_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.key").write_bytes(content)
    with pytest.raises(AuditError, match="is not a secret key"):
        load_secret(tmp_path / "bad.key")
    with pytest.raises(AuditError, match="is not a public key"):
        AuditLog.open(tmp_path / "audit", auditor=tmp_path / "bad.key")
    with pytest.raises(AuditError, match="cannot be read"):
        AuditLog.open(tmp_path / "audit", auditor=tmp_path / "nowhere.pub")
    assert not (tmp_path / "audit").exists()


def test_a_pair_beside_the_folder_is_made_on_first_use_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            AuditLog.open(tmp_path / "audit").close()
    warnings = [record.getMessage() for record in caplog.records if "key_made" in record.getMessage()]
    assert len(warnings) == 1
    assert str(tmp_path / "audit.key") in warnings[0]
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.INTACT


def test_the_secret_of_a_stream_is_nowhere_in_clear(tmp_path: Path) -> None:
    folder, secret = make_folder(tmp_path, streams=1)
    path = next(folder.glob("*.jsonl"))
    sealed = json.loads(path.read_text().splitlines()[0])["sealed"]
    keys = StreamKeys.unseal(sealed, load_secret(secret))
    for file in folder.iterdir():
        assert keys.mac not in file.read_bytes()
        assert keys.mac.hex() not in file.read_text()
    assert (folder / "id.key").read_text().strip() == keys.ids.hex()
    assert (folder / "id.key").stat().st_mode & 0o777 == 0o600


def test_a_damaged_id_key_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "id.key").write_text("abc")
    with pytest.raises(AuditError, match="64 hex digits"):
        AuditLog.open(tmp_path / "audit")


def test_processes_that_open_a_new_folder_at_once_agree_on_its_keys(tmp_path: Path) -> None:
    code = "import sys; from storescope.middleware import AuditLog; AuditLog.open(sys.argv[1]).close()"
    command = [sys.executable, "-c", code, str(tmp_path / "audit")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(6)]
    errors = [process.communicate(timeout=60)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 6, errors
    report = verify(tmp_path / "audit", tmp_path / "audit.key")
    assert (report.verdict, report.streams) == (Verdict.INTACT, 6)


def test_the_next_epochs_key_is_as_the_format_page_says() -> None:
    assert next_key(b"k" * 32) == Hmac(b"k" * 32).digest(b"storescope-audit/1 next epoch")
    assert next_key(b"k" * 32) != b"k" * 32


def test_a_pair_that_cannot_be_made_beside_the_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="the folder of the keys cannot be made"):
        AuditLog.open(tmp_path / "file" / "audit")
