"""The dry run: it writes nothing, finds what the checks refuse, and calls nothing clean that it did not see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from storescope import Handler, Handlers, UnsupportedOperationError
from storescope.conformance import DryRun, Finding, dry_run
from tests.conformance.maps import MemoryMap

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "canary-5f3a"
_ODD_KEY = "it has a key that is not a string"


class ReadOnlyMap(MemoryMap):
    """Rows as an older application left them; a dry run that writes fails the test."""

    def __init__(self, **rows: dict[str, Any]) -> None:
        super().__init__()
        self.tables |= rows

    async def set(self, entity: str, id_: str, value: Any) -> Any:
        raise AssertionError("a dry run called set")

    async def update(self, entity: str, id_: str, updates: Any) -> Any:
        raise AssertionError("a dry run called update")

    def within(self, row: Any, session: str) -> bool:
        return not isinstance(row, dict) or row.get("in", row.get("sessionId")) == session


class ScannedRecord(NamedTuple):
    tenant: str
    id: str
    record: Any


class ScanPage(NamedTuple):
    records: list[ScannedRecord]
    cursor: str | None


class Admin:
    """Pages of two records; the kind `broken` raises."""

    def __init__(self, records: dict[str, list[ScannedRecord]], broken: str = "") -> None:
        self.records = records
        self.broken = broken

    async def scan(self, entity: str, cursor: str | None = None) -> ScanPage:
        if entity == self.broken:
            raise ConnectionError(SECRET)
        start = int(cursor or 0)
        records = self.records.get(entity, [])
        return ScanPage(records[start : start + 2], str(start + 2) if start + 2 < len(records) else None)


class Scannable(Mapping[str, Handler]):
    """A map with an `admin`, as the shipped backends are."""

    def __init__(self, admin: Any) -> None:
        self.admin = admin
        self._handlers = ReadOnlyMap().handlers()

    def __getitem__(self, name: str) -> Handler:
        return self._handlers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)


def found(report: DryRun) -> list[tuple[str, str, str | None, str]]:
    return [(finding.kind, finding.entity, finding.id, finding.why) for finding in report.findings]


async def test_sessions_are_read_with_all_that_belongs_to_them() -> None:
    rows = ReadOnlyMap(
        session={"s1": {"id": "s1", "sandboxId": "b1"}, "s2": {"sandboxId": "b1"}, "s3": {"id": "s3"}},
        message={"m1": {"id": "m1", "sessionId": "s1"}, "m2": {"sessionId": "s2"}},
        part={"p1": {"id": "p1", "sessionId": "s1"}},
        sandbox={"b1": {"id": "b1"}, "b2": {"id": "b2"}},
    )
    report = await dry_run(rows.handlers(), ["s1", "s2", "s1", "s4"])
    assert report == DryRun(
        read={"session": 2, "message": 2, "part": 1, "sandbox": 1},
        findings=(),
        not_looked_at={"setup": "setups belong to no session"},
        without_record=("s4",),
    )
    assert report.clean
    assert report.complete


@pytest.mark.parametrize(
    ("entity", "record", "expected"),
    [
        ("session", {"id": "other"}, ("refused", "x", "session.set: value['id'] must equal id, or be left out")),
        ("session", [SECRET], ("refused", "x", "session.set: value must be a dict")),
        ("sandbox", {"id": 7}, ("refused", "x", "sandbox.set: value['id'] must equal id, or be left out")),
        ("message", {"id": 7, "sessionId": "x"}, ("refused", None, "message.set: id must be a non-empty string")),
        (
            "message",
            {"id": None, "sessionId": "x"},
            ("refused", None, "message.set: value['id'] must equal id, or be left out"),
        ),
        (
            "part",
            {"id": "p", "in": "x"},
            ("refused", "p", "part.set: value['sessionId'] must be a non-empty string"),
        ),
        (
            "part",
            {"id": "p", "in": "x", "sessionId": [SECRET]},
            ("refused", "p", "part.set: value['sessionId'] must be a non-empty string"),
        ),
        ("part", SECRET, ("refused", None, "part.set: value must be a dict")),
        (
            "message",
            {"id": "m", "in": "x", "sessionId": SECRET},
            ("listed", "m", "message.listBySession returned it for a session that is not its own"),
        ),
        ("session", {"createdAt": datetime(2026, 1, 1, tzinfo=UTC)}, ("not_json", "x", "it holds a datetime")),
        ("part", {"id": "p", "sessionId": "x", SECRET: [{1: 2}]}, ("not_json", "p", _ODD_KEY)),
    ],
)
async def test_a_record_that_is_not_right_is_found_and_not_shown(
    entity: str, record: Any, expected: tuple[str, str | None, str]
) -> None:
    rows: dict[str, dict[str, Any]] = {
        "session": {"x": {"sandboxId": "x"}},
        "sandbox": {"x": {}},
        entity: {"x": record},
    }
    report = await dry_run(ReadOnlyMap(**rows).handlers(), ["x"])
    kind, id_, why = expected
    assert found(report) == [(kind, entity, id_, why)]
    assert report.count(report.findings[0].kind, entity) == 1
    assert report.clean == (kind == "not_json")
    assert report.complete
    assert SECRET not in json.dumps(report.to_dict())


@pytest.mark.parametrize("returned", [None, {"m1": {}}, ()])
async def test_a_list_that_is_none_is_found(returned: Any) -> None:
    async def list_by_session(*, session_id: str) -> Any:
        return returned

    handlers = {**ReadOnlyMap(session={"s1": {}}).handlers(), "part.listBySession": list_by_session}
    report = await dry_run(handlers, ["s1"])
    why = f"part.listBySession of this session returned a {type(returned).__name__}, not a list"
    assert found(report) == [("listed", "part", "s1", why)]
    assert not report.clean


@pytest.mark.parametrize("operation", ["session.get", "message.listBySession", "sandbox.get"])
async def test_a_read_that_raises_leaves_the_run_incomplete(operation: str) -> None:
    async def raising(**_: str) -> Any:
        raise ConnectionError(SECRET)

    rows = ReadOnlyMap(session={"s1": {"sandboxId": "s1"}}, part={"p1": {"id": "p1", "sessionId": "s1"}})
    report = await dry_run({**rows.handlers(), operation: raising}, ["s1"])
    entity = operation.partition(".")[0]
    which = operation.replace("listBySession", "listBySession of this session")
    assert report.findings == (Finding("unread", entity, "s1", f"{which} raised ConnectionError"),)
    assert report.read["part"] == 1, "the others are read all the same"
    assert report.without_record == ()
    assert report.clean
    assert not report.complete


async def test_sessions_of_which_none_is_there_are_not_called_clean() -> None:
    report = await dry_run(ReadOnlyMap(session={"s1": {}}).handlers(), ["s-1", "s-2"])
    assert report.without_record == ("s-1", "s-2")
    assert not report.complete


async def test_what_a_partial_map_cannot_read_is_not_looked_at() -> None:
    handlers = ReadOnlyMap(part={"p1": {"id": "p1", "sessionId": "s1"}}).handlers()
    report = await dry_run({"part.listBySession": handlers["part.listBySession"]}, ["s1"])
    assert report.read == {"part": 1}
    assert report.not_looked_at == {
        "setup": "setups belong to no session",
        "session": "the map has no handler for session.get",
        "message": "the map has no handler for message.listBySession",
        "sandbox": "the map has no handler for session.get, sandbox.get",
    }


async def test_a_scan_reads_every_page_of_every_kind() -> None:
    records = [ScannedRecord("acme", f"s{number}", {"id": f"s{number}"}) for number in range(4)]
    records.append(ScannedRecord("globex", "s4", {"id": "s3"}))
    setups = [ScannedRecord("acme", "u", {"ratio": float("nan")})]
    report = await dry_run(Scannable(Admin({"session": records, "setup": setups})))
    assert report.read == {"session": 5, "message": 0, "part": 0, "sandbox": 0, "setup": 1}
    assert report.findings == (
        Finding("refused", "session", "s4", "session.set: value['id'] must equal id, or be left out", "globex"),
        Finding("not_json", "setup", "u", "it holds a NaN or an infinity", "acme"),
    )
    assert not report.not_looked_at


async def test_a_record_that_a_scan_comes_by_twice_counts_once() -> None:
    twice = [ScannedRecord(tenant, "s1", {"id": "s2"}) for tenant in ("acme", "globex", "acme")]
    report = await dry_run(Scannable(Admin({"session": twice})))
    assert report.read["session"] == report.count("refused", "session") == 2


async def test_a_scan_that_raises_leaves_the_run_incomplete() -> None:
    admin = Admin({"setup": [ScannedRecord("", "u", {})]}, broken="message")
    report = await dry_run(Scannable(admin))
    assert report.findings == (Finding("unread", "message", None, "admin.scan raised ConnectionError"),)
    assert report.read["setup"] == 1
    assert not report.complete


async def test_given_sessions_are_read_though_the_map_could_be_scanned() -> None:
    report = await dry_run(Scannable(Admin({}, broken="session")), ["s1"])
    assert report.without_record == ("s1",)


@pytest.mark.parametrize("handlers", [ReadOnlyMap().handlers(), Scannable(object())], ids=["bare", "other admin"])
async def test_without_scan_and_sessions_it_says_what_is_needed(handlers: Handlers) -> None:
    with pytest.raises(UnsupportedOperationError, match=r"no admin\.scan; give the ids of its sessions"):
        await dry_run(handlers)
