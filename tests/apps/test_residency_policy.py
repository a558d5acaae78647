"""`storescope residency check`, `explain` and `diff`: exit codes, one line for each error, text and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storescope.middleware import ResidencyPolicy
from tests.apps.command import assert_one_line, storescope_here

POLICY = (Path(__file__).parents[2] / "examples" / "policy.toml").read_text()
EXCEPTION = """
[[exceptions]]
id = "support"
rule = "eu-only"
operations = ["session.get"]
access = ["us"]
reason = "incident"
approved_by = ["a", "b"]
expires = 2999-12-01T00:00:00Z
"""
MONITOR = POLICY.replace('mode = "enforce"', 'mode = "monitor"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY + EXCEPTION)
    return tmp_path


def residency(folder: Path, *arguments: object) -> Any:
    return storescope_here("residency", *arguments, cwd=folder)


class TestCheck:
    def test_a_sound_policy_exits_0_with_what_to_look_at(self, folder: Path) -> None:
        (folder / "policy.toml").write_text(POLICY)
        done = residency(folder, "check", "policy.toml")
        assert done.returncode == 0
        digest = ResidencyPolicy.load(folder / "policy.toml").digest
        assert done.stdout.splitlines() == [
            (
                "warning: min_confidence: 'declared' believes what is said of a backend's region; nothing has "
                "looked [declared_confidence]"
            ),
            "note: tenants: there is no '*': every tenant that is not listed is denied [no_rest]",
            f"policy.toml: sound, 1 warning, 1 note (version '2026-11', digest {digest[:12]})",
        ]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (MONITOR, "error: monitor_until: is missing"),
            (POLICY.replace('acme = "eu-only"', 'acme = "eu"'), "error: tenants.acme: 'eu' is not allowed"),
            (POLICY.replace('home = "aws:eu-west-1"', 'home = "x"'), "error: rules.eu-only.home: 'x' is not"),
            (POLICY + EXCEPTION.replace("expires", "#"), "error: exceptions[0].expires: is missing"),
            ("mode = ", "error: is not TOML"),
            ("", "error: schema: is missing"),
        ],
    )
    def test_a_wrong_policy_exits_1_and_names_the_key(self, content: str, says: str, folder: Path) -> None:
        (folder / "policy.toml").write_text(content)
        done = residency(folder, "check", "policy.toml")
        assert (done.returncode, done.stderr) == (1, "")
        lines = done.stdout.splitlines()
        assert lines[0].startswith(says)
        assert lines[-1].startswith("policy.toml: wrong, 1 error")

    @pytest.mark.parametrize("path", ["nowhere.toml", "."])
    def test_a_file_that_cannot_be_read_exits_2(self, path: str, folder: Path) -> None:
        assert f"{path}: cannot be read" in assert_one_line(residency(folder, "check", path), 2)

    def test_the_report_as_json(self, folder: Path) -> None:
        policy = ResidencyPolicy.load(folder / "policy.toml")
        done = residency(folder, "check", "policy.toml", "--json")
        report = json.loads(done.stdout)
        codes = [finding.pop("code") for finding in report["findings"]]
        assert codes == ["declared_confidence", "exception_long", "no_rest"]
        assert set(report.pop("findings")[0]) == {"severity", "key", "text"}
        assert report == {
            "policy": "policy.toml",
            "sound": True,
            "version": "2026-11",
            "digest": policy.digest,
        }
        (folder / "policy.toml").write_text(POLICY.replace('acme = "eu-only"', 'acme = "eu"'))
        done = residency(folder, "check", "policy.toml", "--json")
        report = json.loads(done.stdout)
        assert (done.returncode, report["sound"], report["digest"]) == (1, False, None)
        assert report["findings"][0]["key"] == "tenants.acme"


CALL = ("--tenant", "acme", "--operation", "session.get", "--backend-region", "aws:eu-west-1")


class TestExplain:
    def test_an_allowed_call_exits_0_and_shows_the_facts(self, folder: Path) -> None:
        arguments = ("--caller", "aws:eu-west-1", "--at", "2026-12-01T01:00:00+01:00")
        done = residency(folder, "explain", "policy.toml", *CALL, *arguments)
        assert done.returncode == 0
        first, *facts = done.stdout.splitlines()
        assert first.startswith("allowed by rule 'eu-only': every fact is known and allowed (policy ")
        assert [line.split(maxsplit=1) for line in facts] == [
            ["operation", "session.get"],
            ["at", "2026-12-01T00:00:00Z"],
            ["tenant", "acme (call, declared)"],
            ["caller_region", "aws:eu-west-1 (guard, declared)"],
            ["call_region", "unknown"],
            ["backend_region", "aws:eu-west-1 (backend, declared)"],
        ]

    def test_a_denied_call_exits_1_and_says_what_would_be_allowed(self, folder: Path) -> None:
        done = residency(folder, "explain", "policy.toml", *CALL, "--call-region", "aws:sa-east-1")
        assert done.returncode == 1
        assert "it would be allowed from aws:eu-central-1 or aws:eu-west-1" in done.stdout

    def test_what_is_left_out_is_unknown_and_denied(self, folder: Path) -> None:
        done = residency(folder, "explain", "policy.toml", "--operation", "part.set")
        assert done.returncode == 1
        assert done.stdout.startswith("denied: the call names no tenant")

    def test_an_exception_is_shown_and_ends_to_the_second(self, folder: Path) -> None:
        caller = ("--caller", "aws:us-east-1", "--at")
        during = residency(folder, "explain", "policy.toml", *CALL, *caller, "2999-11-30T23:59:59Z")
        assert during.returncode == 0
        assert "let through by exception 'support'" in during.stdout
        assert "holds until     2999-12-01T00:00:00Z" in during.stdout
        assert residency(folder, "explain", "policy.toml", *CALL, *caller, "2999-12-01T00:00:00Z").returncode == 1

    def test_the_decision_as_json(self, folder: Path) -> None:
        (folder / "policy.toml").write_text(
            MONITOR.replace('min_confidence = "declared"', 'min_confidence = "probed"')
        )
        arguments = ("--caller", "aws:eu-west-1", "--at", "2026-12-01T00:00:00Z", "--json")
        done = residency(folder, "explain", "policy.toml", *CALL, *arguments)
        assert done.returncode == 0
        decision = json.loads(done.stdout)
        assert decision.pop("text").startswith("let through, would be denied by rule 'eu-only'")
        assert decision == {
            "allowed": True,
            "effect": "would_deny",
            "code": "backend_confidence_low",
            "rule": "eu-only",
            "would_allow_if": "if the region were probed",
            "expires": None,
            "operation": "session.get",
            "at": "2026-12-01T00:00:00Z",
            "policy": ResidencyPolicy.load(folder / "policy.toml").digest,
            "facts": {
                "tenant": {"value": "acme", "source": "call", "confidence": "declared"},
                "caller_region": {"value": "aws:eu-west-1", "source": "guard", "confidence": "declared"},
                "call_region": {"value": None, "source": "call", "confidence": "declared"},
                "backend_region": {"value": "aws:eu-west-1", "source": "backend", "confidence": "declared"},
            },
        }
        better = residency(folder, "explain", "policy.toml", *CALL, *arguments, "--confidence", "attested")
        assert json.loads(better.stdout)["effect"] == "allow"

    def test_what_is_odd_stays_in_its_line(self, folder: Path) -> None:
        done = residency(folder, "explain", "policy.toml", "--operation", "part.set", "--tenant", "a\nb\x1b[31m")
        assert len(done.stdout.splitlines()) == 7
        assert "a\\nb\\x1b[31m" in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ([], "--operation"),
            (["--operation", "session.read"], "'session.read' is not one of"),
            (["--operation", "part.set", "--confidence", "sure"], "'sure' is not one of"),
            (["--operation", "part.set", "--at", "soon"], "2027-01-31T00:00:00Z"),
            (["--operation", "part.set", "--at", "2027-01-31T00:00:00"], "with an offset"),
        ],
    )
    def test_wrong_usage_exits_2(self, arguments: list[str], says: str, folder: Path) -> None:
        done = residency(folder, "explain", "policy.toml", *arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_wrong_policy_exits_2(self, folder: Path) -> None:
        (folder / "policy.toml").write_text("mode = 1")
        done = residency(folder, "explain", "policy.toml", "--operation", "part.set")
        assert "policy.toml" in assert_one_line(done, 2)


class TestDiff:
    def diff(self, folder: Path, other: str, *arguments: str) -> Any:
        (folder / "new.toml").write_text(other)
        return residency(folder, "diff", "policy.toml", "new.toml", *arguments)

    def test_the_same_decisions_exit_0(self, folder: Path) -> None:
        other = (POLICY + EXCEPTION).replace('version = "2026-11"', 'version = "2026-12"')
        done = self.diff(folder, "# reordered\n" + other.replace('["us", "eu"]', '["eu", "us"]'))
        assert done.returncode == 0
        assert done.stdout.startswith("they decide alike: version '2026-11' (")
        assert "-> version '2026-12' (" in done.stdout

    def test_what_changes_exits_1_and_is_read_in_a_few_lines(self, folder: Path) -> None:
        other = POLICY.replace('acme = "eu-only"', 'acme = "us-data"').replace("declared", "probed")
        done = self.diff(folder, other)
        assert done.returncode == 1
        eu, us = "aws:eu-central-1, aws:eu-west-1", "aws:us-east-1"
        *lines, last = done.stdout.splitlines()
        assert lines == [
            "min_confidence: declared -> probed",
            "tenant acme (rule eu-only -> rule us-data):",
            f"  backend in {eu}; caller in {eu}: allow -> deny (backend_region_forbidden)",
            f"  backend in {us}; caller in {eu}, {us}: deny (backend_region_forbidden) -> allow",
            "  home: aws:eu-west-1 -> aws:us-east-1",
            (
                "exception support: removed: rule eu-only; operations session.get; access aws:us-east-1; "
                "reason incident; approved_by a, b; expires 2999-12-01T00:00:00Z"
            ),
        ]
        assert last.startswith("they decide differently: version '2026-11' (")

    def test_the_rest_telemetry_and_changed_exceptions_have_words(self, folder: Path) -> None:
        other = POLICY.replace('globex = "us-data"', 'globex = "us-data"\n"*" = "eu-only"')
        other = other.replace('home = "aws:us-east-1"', 'home = "aws:us-east-1"\ntelemetry = ["us"]')
        lines = self.diff(folder, other + EXCEPTION.replace("2999", "2998")).stdout.splitlines()
        assert lines[0] == "tenant * (whom neither lists) (no rule -> rule eu-only):"
        assert lines[-3:-1] == [
            "exception support: changed: expires 2999-12-01T00:00:00Z -> 2998-12-01T00:00:00Z",
            "telemetry of rule us-data: not checked -> aws:us-east-1",
        ]
        monitored = self.diff(folder, MONITOR).stdout
        assert "  backend in any region; caller in any region: deny (tenant_unlisted) -> would_deny" in monitored
        assert "  backend in aws:us-east-1, any other; caller in any region: deny" in monitored

    def test_ten_thousand_tenants_stay_readable(self, folder: Path) -> None:
        tenants = "".join(f'tenant-{number:05} = "us-data"\n' for number in range(10_000))
        done = self.diff(folder, POLICY.replace("[tenants]\n", "[tenants]\n" + tenants) + EXCEPTION)
        assert len(done.stdout.splitlines()) < 10
        named = ", ".join(f"tenant-{number:05}" for number in range(5))
        assert f"tenants {named}, and 9,995 more (no rule -> rule us-data):" in done.stdout
        listed = json.loads(self.diff(folder, (folder / "new.toml").read_text(), "--json").stdout)
        assert len(listed["tenants"][0]["tenants"]) == 10_000

    def test_the_changes_as_json(self, folder: Path) -> None:
        done = self.diff(folder, POLICY.replace('globex = "us-data"\n', ""), "--json")
        assert done.returncode == 1
        found = json.loads(done.stdout)
        assert (found["same"], found["before"]["version"], found["settings"]) == (False, "2026-11", [])
        assert found["regions"] == ["aws:eu-central-1", "aws:eu-west-1", "aws:us-east-1", "*"]
        (change,) = found["tenants"]
        assert (change["tenants"], change["rules"]) == (["globex"], {"before": "us-data", "after": None})
        assert change["pairs"][0] == {
            "backend_region": "aws:us-east-1",
            "caller_region": "aws:eu-central-1",
            "before": {"effect": "allow", "code": "allowed"},
            "after": {"effect": "deny", "code": "tenant_unlisted"},
        }
        assert [(each["id"], each["after"]) for each in found["exceptions"]] == [("support", None)]
        assert found["telemetry"] == []
        assert json.loads(self.diff(folder, POLICY + EXCEPTION, "--json").stdout)["same"]

    @pytest.mark.parametrize("content", [None, "mode = 1"])
    def test_a_policy_that_is_wrong_or_missing_exits_2(self, content: str | None, folder: Path) -> None:
        if content is not None:
            (folder / "new.toml").write_text(content)
        assert "new.toml: " in assert_one_line(residency(folder, "diff", "policy.toml", "new.toml"), 2)
