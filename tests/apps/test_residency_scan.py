"""`storescope residency scan`: exit codes, one line for each error, and adoption through the real command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import ResidencyPolicy, region_guard
from tests.apps.command import assert_one_line, storescope, storescope_here

POLICY = Path(__file__).parents[2] / "examples" / "policy.toml"
URL = "local:data?region=aws:eu-west-1"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A store with one record that has no label, and one that was written through the guard."""
    shutil.copy(POLICY, tmp_path)
    async with open_backend(f"local:{tmp_path / 'data'}", region="aws:eu-west-1") as backend:
        await backend["session.set"](id="old", value={"text": "secret"})
        guarded = wrap(backend, region_guard(ResidencyPolicy.load(POLICY), caller_region="aws:eu-west-1"))
        with call_context(tenant="acme"):
            await guarded["message.set"](id="new", value={"sessionId": "s", "text": "secret"})
    return tmp_path


def scan(folder: Path, *arguments: object, url: str = URL) -> Any:
    return storescope_here(*_command(url), *arguments, cwd=folder)


def _command(url: str) -> tuple[str, ...]:
    return ("residency", "scan", url, "--policy", "policy.toml")


def test_violations_exit_1_and_are_listed_without_content(folder: Path) -> None:
    done = scan(folder)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "tenant_missing: session 'old' of 'nobody known' in aws:eu-west-1",
        "1 violations: 2 records looked at (1 session, 1 message, 0 part, 0 sandbox, 0 setup)",
    ]
    assert "secret" not in done.stdout + done.stderr


def test_what_is_adopted_is_clean_from_then_on(folder: Path) -> None:
    assert scan(folder, "--tenant", "acme").returncode == 1
    adopted = scan(folder, "--tenant", "acme", "--adopt")
    assert adopted.returncode == 0
    assert adopted.stdout.startswith("clean: 2 records")
    assert adopted.stdout.endswith(", 1 adopted\n")
    assert scan(folder).returncode == 0


async def test_a_copy_of_a_marked_store_is_not_clean(folder: Path) -> None:
    async with open_backend(f"local:{folder / 'data'}") as backend:
        await backend.admin.mark("aws:eu-west-1")
    shutil.copytree(folder / "data", folder / "copy")
    command = _command(f"{URL.replace('data', 'copy')}&probe=true")
    done = storescope(*command, "--tenant", "acme", "--adopt", "--json", cwd=folder)
    assert done.returncode == 1
    assert "conflict" in done.stderr
    assert json.loads(done.stdout)["codes"] == {"backend_region_conflict": 2}


def test_a_registry_is_built_from_two_stores(folder: Path) -> None:
    shutil.copytree(folder / "data", folder / "other")
    urls = [URL, URL.replace("data", "other").replace("eu-west-1", "eu-central-1")]
    options = ["--policy", "policy.toml", "--pins", "local:pins", "--json"]
    nowhere = storescope("residency", "scan", *urls, *options, cwd=folder)
    assert nowhere.returncode == 2
    assert "holds no storage" in nowhere.stderr
    built = storescope("residency", "scan", *urls, *options, "--tenant", "acme", "--adopt", cwd=folder)
    report = json.loads(built.stdout)
    assert (built.returncode, report["adopted"], report["pinned"], report["claimed"]) == (1, 3, 1, 1)
    assert report["codes"] == {"label_region_mismatch": 1, "session_split": 2}


def test_the_report_as_json(folder: Path) -> None:
    report = json.loads(scan(folder, "--json").stdout)
    assert report["exit_code"] == 1
    assert report["violations"] == [
        {
            "entity": "session",
            "tenant": None,
            "id": "old",
            "code": "tenant_missing",
            "region": "aws:eu-west-1",
        }
    ]
    assert report["seen"]["session"] == 1


def test_a_key_of_the_labels(folder: Path) -> None:
    (folder / "key").write_bytes(b"k" * 32)
    assert json.loads(scan(folder, "--label-key", "key", "--json").stdout)["codes"]["label_forged"] == 1


@pytest.mark.parametrize(
    ("url", "arguments", "says"),
    [
        ("local:nowhere?region=aws:eu-west-1", [], "holds no storage"),
        ("local:data", [], "region=REGION"),
        ("nonsense", [], "URL"),
        (URL, ["--label-key", "nowhere"], "nowhere: cannot be read"),
        (URL, ["--label-key", "short"], "16 bytes"),
    ],
)
def test_wrong_usage_exits_2_in_one_line(url: str, arguments: list[str], says: str, folder: Path) -> None:
    (folder / "short").write_bytes(b"k")
    done = scan(folder, *arguments, url=url)
    assert done.returncode == 2
    assert says in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "nowhere").exists()


def test_a_policy_that_is_wrong_exits_2_in_one_line(folder: Path) -> None:
    (folder / "policy.toml").write_text("mode = 1")
    assert "policy.toml" in assert_one_line(scan(folder), 2)


async def test_a_store_that_hides_other_tenants_is_incomplete(tmp_path: Path, postgres_url: str) -> None:
    """The application's own role sees one tenant at a time; a scan as that role must not say clean."""
    shutil.copy(POLICY, tmp_path)
    async with open_backend(postgres_url):
        pass
    done = scan(tmp_path, url=f"{postgres_url}&region=aws:eu-west-1")
    assert done.returncode == 3
    assert "BYPASSRLS" in done.stderr
    assert done.stdout.startswith("incomplete: 0 records")
