"""`storescope conformance` on maps of users: the exit codes that scripts rely on, and errors of one line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from storescope.conformance import CASES
from tests.apps.command import assert_one_line, storescope, storescope_here

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SECRET = "canary-77b1"
# Two handlers, so that the run is short. `rows` is there for every process by itself.
GOOD = """
import copy
rows = {}
def get(*, id): return copy.deepcopy(rows.get(id))
def set(*, id, value): rows[id] = copy.deepcopy(value)
handlers = {"session.get": get, "session.set": set}
"""
BROKEN = GOOD.replace("return copy.deepcopy(rows.get(id))", "return copy.deepcopy(rows[id])")
UPDATES = f"""{GOOD}
def update(*, id, updates): return rows[id] | updates
handlers["session.update"] = update
"""
TENANTS = """
from storescope.backends import open_backend
async def handlers():
    backend = await open_backend("memory:", tenancy="required")
    return {name: backend[name] for name in ("session.get", "session.set")}
"""


@pytest.fixture(autouse=True)
def modules_as_before(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The command imports a user's module from the current folder; the next one has the same name."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    sys.modules.pop("my_module", None)


def write(folder: Path, code: str) -> None:
    (folder / "my_module.py").write_text(code)


def test_a_map_that_keeps_the_core_exits_0_though_it_lacks_promises(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    done = storescope("conformance", "my_module:handlers", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the core contract is kept" in done.stdout
    assert "missing_is_none" in done.stdout
    assert "set_refuses_what_is_not_json  session" in done.stdout
    missing = " ".join(done.stdout.split("Not tried")[1].split())
    assert " cases: the map has no handler for message.get, part.get, sandbox.get" in missing


def test_with_promises_a_promise_that_is_not_kept_exits_1(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert storescope_here("conformance", "my_module.py:handlers", "--promises", cwd=tmp_path).returncode == 1


def test_a_core_case_that_fails_exits_1_and_says_why_in_full(tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    done = storescope_here("conformance", "my_module:handlers", cwd=tmp_path)
    assert done.returncode == 1
    assert "the core contract is broken" in done.stdout
    text = " ".join(done.stdout.split())
    assert (
        "`get` of a record that does not exist returns None and does not raise. session.get raised KeyError"
        in text
    )


def test_plain_dicts_are_not_blamed_for_what_other_processes_do_not_see(tmp_path: Path) -> None:
    write(tmp_path, UPDATES)
    done = storescope_here("conformance", "my_module:handlers", "--json", cwd=tmp_path)
    cases = {case["name"]: case for case in json.loads(done.stdout)["cases"]}
    shared = cases["session/updates_from_processes_survive"]
    assert (shared["status"], shared["why"]) == (
        "not_applicable",
        "another process does not see what this one wrote",
    )
    assert cases["session/concurrent_updates_survive"]["status"] == "fail"


def test_json_has_every_case_and_nothing_that_the_module_prints(tmp_path: Path) -> None:
    write(tmp_path, f"print('hello')\n{GOOD}")
    done = storescope_here("conformance", "my_module:handlers", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert "hello" in done.stderr
    assert [case["name"] for case in found["cases"]] == [case.name for case in CASES]
    assert set(found["cases"][0]) == {"name", "kind", "status", "why", "protects"}
    assert sum(sum(counts.values()) for counts in found["counts"].values()) == len(CASES)
    assert found["counts"]["core"]["fail"] == 0
    assert found["counts"]["promise"]["fail"] > 0


def test_a_map_that_requires_a_tenant_gets_one(tmp_path: Path) -> None:
    write(tmp_path, TENANTS)
    assert storescope_here("conformance", "my_module:handlers", cwd=tmp_path).returncode == 1
    arguments = ("my_module:handlers", "--tenant", "acme", "--promises")
    done = storescope_here("conformance", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("my_module", "'my_module' is not of the form module:name or file.py:name"),
        ("nowhere:handlers", "nowhere:handlers cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("nowhere.py:handlers", "nowhere.py:handlers cannot be loaded: FileNotFoundError"),
        ("my_module:nothing", "AttributeError: module 'my_module' has no attribute 'nothing'"),
        ("my_module:raising", "cannot be opened: ConnectionError: down since monday"),
        ("my_module:cancelled", "cannot be opened: CancelledError"),
        ("my_module:wanting", "cannot be opened: TypeError: wanting() missing 1 required"),
        ("my_module:number", "my_module:number: it is no handler map, but of type int"),
        ("my_module:empty", "it is a handler map without a handler"),
        ("my_module:misspelt", "there is no operation 'session.gte'; the nearest is 'session.get'"),
        ("exiting:handlers", "exiting:handlers cannot be loaded: SystemExit: 3"),
        ("invalid:handlers", "invalid:handlers cannot be loaded: SyntaxError: invalid syntax"),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--dry-run", "--sessions", "ids"]], ids=["try", "dry run"])
def test_a_target_that_cannot_be_used_is_one_line(target: str, says: str, mode: list[str], tmp_path: Path) -> None:
    code = """
import asyncio
def raising(): raise ConnectionError("down\\nsince monday")
async def cancelled(): raise asyncio.CancelledError
def wanting(url): pass
number, empty, misspelt = 7, {}, {"session.gte": print}
"""
    write(tmp_path, code)
    (tmp_path / "exiting.py").write_text("import sys; sys.exit(3)")
    (tmp_path / "invalid.py").write_text("def handlers(:")
    (tmp_path / "ids").write_text("s1\n")
    assert says in assert_one_line(storescope_here("conformance", target, *mode, cwd=tmp_path), 2)


STORED = f"""
rows = {{
    "session": {{"s1": {{"id": "s1", "sandboxId": "b1"}}, "s2": {{"id": "{SECRET}"}},
                "s3": {{"at": b"{SECRET}"}}}},
    "message": {{"m1": {{"id": "m1", "sessionId": "s1"}}}}, "part": {{}}, "sandbox": {{"b1": {{"id": "b1"}}}},
}}
async def broken(**_): raise ValueError("{SECRET}")
def get(entity): return lambda *, id: rows[entity].get(id)
def list_of(entity): return lambda *, session_id: [
    row for row in rows[entity].values() if row["sessionId"] == session_id
]
handlers = {{
    "session.get": get("session"), "sandbox.get": get("sandbox"), "session.set": broken, "session.update": broken,
    "message.listBySession": list_of("message"), "part.listBySession": list_of("part"),
}}
partly = handlers | {{"message.listBySession": broken}}
"""


def dry_run(folder: Path, name: str, ids: str, *options: str) -> tuple[int, str]:
    write(folder, STORED)
    (folder / "ids").write_text(ids)
    arguments = (f"my_module:{name}", "--dry-run", "--sessions", "ids", *options)
    done = storescope_here("conformance", *arguments, cwd=folder)
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout


def test_a_dry_run_that_finds_nothing_exits_0(tmp_path: Path) -> None:
    code, text = dry_run(tmp_path, "handlers", "s1\n\n s1 \n")
    assert code == 0
    assert "3 records read: nothing would be refused\n" in text
    assert "Not looked at  nothing is known of these\n  setup: setups belong to no session\n" in text


def test_a_dry_run_names_what_would_be_refused_and_exits_1(tmp_path: Path) -> None:
    code, text = dry_run(tmp_path, "handlers", "s1\ns2\ns9\n")
    assert code == 1
    assert "\n  session 's2': session.set: value['id'] must equal id, or be left out\n" in text
    assert "session.get returned None for these of the given sessions\n  's9'\n" in text
    assert "4 records read: 1 refused\n" in text


def test_what_is_not_json_is_told_apart_and_counts_with_promises(tmp_path: Path) -> None:
    code, text = dry_run(tmp_path, "handlers", "s3\n")
    assert code == 0
    assert "Not plain JSON" in text
    assert "\n  session 's3': it holds a bytes\n" in text
    assert dry_run(tmp_path, "handlers", "s3\n", "--promises")[0] == 1
    assert dry_run(tmp_path, "handlers", "s1\n", "--promises")[0] == 0


def test_a_dry_run_that_could_not_read_everything_exits_3(tmp_path: Path) -> None:
    code, text = dry_run(tmp_path, "partly", "s1\n")
    assert code == 3
    assert "\n  message 's1': message.listBySession of this session raised ValueError\n" in text
    assert "incomplete" in text
    assert dry_run(tmp_path, "partly", "s1\ns2\n")[0] == 1, "what is known to be refused comes first"
    assert dry_run(tmp_path, "handlers", "nobody\n")[0] == 3


def test_a_dry_run_as_json(tmp_path: Path) -> None:
    code, text = dry_run(tmp_path, "handlers", "s2\n", "--json")
    assert code == 1
    assert json.loads(text) == {
        "clean": False,
        "complete": True,
        "read": {"session": 1, "message": 0, "part": 0, "sandbox": 0},
        "not_looked_at": {"setup": "setups belong to no session"},
        "without_record": [],
        "findings": [
            {
                "kind": "refused",
                "entity": "session",
                "id": "s2",
                "why": "session.set: value['id'] must equal id, or be left out",
                "tenant": "",
            }
        ],
    }


def test_a_map_with_a_scan_needs_no_sessions(tmp_path: Path) -> None:
    code = """
from collections import namedtuple
Found, Page = namedtuple("Found", "tenant id record"), namedtuple("Page", "records cursor")
class Admin:
    async def scan(self, entity, cursor=None):
        return Page([Found("acme", "u1", {"id": "u2"})] if entity == "setup" else [], None)
class Map(dict):
    admin = Admin()
handlers = Map({"setup.get": print})
"""
    write(tmp_path, code)
    done = storescope_here("conformance", "my_module:handlers", "--dry-run", cwd=tmp_path)
    assert done.returncode == 1
    assert "\n  setup 'u1' of tenant 'acme': setup.set: value['id'] must equal id" in done.stdout
    assert "Not looked at" not in done.stdout


def test_a_map_without_a_scan_says_what_it_needs(tmp_path: Path) -> None:
    write(tmp_path, STORED)
    line = assert_one_line(storescope_here("conformance", "my_module:handlers", "--dry-run", cwd=tmp_path), 2)
    assert "--sessions FILE" in line


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b" \n\n", ["--dry-run"], "it names no session"),
        (b"s1\n\xff\n", ["--dry-run"], "it is not UTF-8 text"),
        (b"s1\n", [], "--sessions goes with --dry-run"),
    ],
)
def test_sessions_that_cannot_be_used_exit_2(
    content: bytes, options: list[str], says: str, tmp_path: Path
) -> None:
    write(tmp_path, STORED)
    (tmp_path / "ids").write_bytes(content)
    done = storescope_here("conformance", "my_module:handlers", "--sessions", "ids", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
