"""The span store: nothing twice, within its bounds, the newest never dropped."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescope.apps.view import Bounds
from storescope.apps.view._filter import Filter
from storescope.apps.view._queries import count, find_trace, list_traces, spans_of
from storescope.apps.view._retention import used_bytes
from storescope.apps.view._schema import ViewError
from storescope.apps.view._span import Span
from storescope.apps.view._store import BusyError, SpanStore
from tests.view.sending import span_id, trace_id

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path


def made(number: int, trace: int = 1, **changes: Any) -> Span:
    said: dict[str, Any] = {"parent_id": "", "name": "work", "start": 1_000_000 * number, "duration": 1_000}
    return Span(trace_id=trace_id(trace), span_id=span_id(number), **{**said, **changes})


def listed(store: SpanStore) -> list[dict[str, Any]]:
    with store.reading() as connection:
        found: list[dict[str, Any]] = list_traces(connection, Filter(), "")["traces"]
    return found


def kept(store: SpanStore, trace: int = 1) -> list[int]:
    with store.reading() as connection:
        return [int(span["span_id"], 16) for span in spans_of(connection, trace_id(trace))]


def test_a_span_that_is_sent_twice_is_kept_once() -> None:
    with SpanStore() as store:
        assert store.add([made(1, status="error"), made(1, status="error"), made(2)]).result() == 2
        version = store.version
        assert store.add([made(1), made(2)]).result() == 0
        assert store.version == version
        (trace,) = listed(store)
        assert (trace["spans"], trace["errors"]) == (2, 1)


def test_a_trace_is_summed_up_whatever_the_order_of_arrival() -> None:
    late = made(1, parent_id="", name="root", start=100, duration=1_000)
    early = made(2, parent_id=span_id(1), name="below", start=50, duration=10, status="error")
    with SpanStore() as store:
        store.add([early]).result()
        (trace,) = listed(store)
        assert (trace["root"], trace["first"]) == (None, "below")
        store.add([late]).result()
        (trace,) = listed(store)
        assert (trace["root"], trace["first"], trace["start"], trace["duration"]) == ("root", "below", 50, 1_050)


def test_sessions_of_one_trace_are_counted() -> None:
    def about(number: int, session: str) -> Span:
        return made(number, attributes={"gen_ai.conversation.id": session})

    with SpanStore() as store:
        store.add([about(1, "s1"), about(2, "s1")]).result()
        assert listed(store)[0]["sessions"] == 1
        store.add([about(3, "s2")]).result()
        assert (listed(store)[0]["session"], listed(store)[0]["sessions"]) == ("s1", 2)


@settings(max_examples=25)
@given(batches=st.lists(st.integers(1, 60), min_size=1, max_size=8), most=st.integers(1, 100))
def test_the_newest_are_kept_up_to_the_bound(batches: list[int], most: int) -> None:
    with SpanStore(bounds=Bounds(spans=most)) as store:
        number = 0
        for size in batches:
            store.add([made(number + step, trace=(number + step) // 7) for step in range(1, size + 1)]).result()
            number += size
            with store.reading() as connection:
                total = count(connection)["spans"]
                rows = connection.execute("SELECT span_id FROM spans ORDER BY id").fetchall()
                sums = connection.execute("SELECT sum(spans), count(*), min(spans) FROM traces").fetchone()
                details = connection.execute("SELECT count(*) FROM details").fetchone()[0]
            assert min(number, max(1, int(most * 0.98))) <= total <= most
            assert [int(row[0], 16) for row in rows] == list(range(number - total + 1, number + 1))
            assert (sums[0], details) == (total, total)
            assert sums[2] > 0


def test_what_was_dropped_of_a_trace_is_said() -> None:
    with SpanStore(bounds=Bounds(spans=10)) as store:
        store.add([made(number, status="error") for number in range(1, 31)]).result()
        (trace,) = listed(store)
        assert trace["spans"] == trace["errors"] == len(kept(store))
        assert trace["spans"] + trace["dropped"] == 30


def test_the_size_on_the_disk_is_bounded(tmp_path: Path) -> None:
    bound = 2_000_000
    with SpanStore(tmp_path / "spans.db", Bounds(bytes=bound)) as store:
        for number in range(0, 4_000, 100):
            store.add([made(number + step, attributes={"a": "x" * 5_000}) for step in range(1, 101)]).result()
            with store.reading() as connection:
                assert used_bytes(connection) <= bound + 600_000
        assert kept(store)[-1] == 4_000
        assert (tmp_path / "spans.db").stat().st_size < 2 * bound


def test_old_spans_go_by_the_time_of_their_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    with SpanStore(bounds=Bounds(seconds=60)) as store:
        now = time.time()
        monkeypatch.setattr("storescope.apps.view._insert.time.time", lambda: now - 100)
        store.add([made(1), made(2)]).result()
        monkeypatch.undo()
        store.add([made(3)]).result()
        assert kept(store) == [3]


def test_spans_are_kept_from_one_viewer_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "spans.db"
    with SpanStore(path) as store:
        store.add([made(1), made(2)]).result()
    with SpanStore(path) as store:
        assert store.add([made(2), made(3)]).result() == 1
        assert kept(store) == [1, 2, 3]


def test_a_temporary_store_leaves_nothing() -> None:
    with SpanStore() as store:
        folder = store.path.parent
        assert store.path.exists()
    assert not folder.exists()


def test_what_waits_is_written_before_it_closes(tmp_path: Path) -> None:
    store = SpanStore(tmp_path / "spans.db")
    waiting = [store.add([made(number)]) for number in range(1, 40)]
    store.close()
    assert all(future.result(timeout=0) == 1 for future in waiting)


def test_who_sends_too_fast_is_told_so(tmp_path: Path) -> None:
    with SpanStore(tmp_path / "spans.db") as store:
        other = sqlite3.connect(tmp_path / "spans.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # the writer waits
        futures: list[Future[int]] = []
        with pytest.raises(BusyError):
            _fill(store, futures)
        other.execute("ROLLBACK")
        other.close()
        assert sum(future.result() for future in futures) == len(futures)


def _fill(store: SpanStore, futures: list[Future[int]]) -> None:
    for number in range(1, 1_000):
        futures.append(store.add([made(number)]))  # noqa: PERF401 (what was taken counts when it raises)


def test_readers_see_one_state_and_do_not_wait(tmp_path: Path) -> None:
    with SpanStore(tmp_path / "spans.db") as store:
        store.add([made(1)]).result()
        with store.reading() as connection:
            assert count(connection)["spans"] == 1
            store.add([made(2)]).result()
            assert count(connection)["spans"] == 1
        with store.reading() as connection:
            assert count(connection)["spans"] == 2


def test_many_readers_at_once() -> None:
    with SpanStore() as store:
        store.add([made(1)]).result()
        found: list[object] = []

        def read() -> None:
            for _ in range(20):
                with store.reading() as connection:
                    found.append(find_trace(connection, trace_id(1)))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 160
        assert None not in found


def test_a_full_disk_fails_the_request_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with SpanStore() as store:
        with monkeypatch.context() as patch:
            patch.setattr("storescope.apps.view._store.insert", _disk_is_full)
            with pytest.raises(ViewError, match="disk is full"):
                store.add([made(1)]).result()
        assert store.add([made(1)]).result() == 1


def _disk_is_full(*_: object) -> int:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda path: path.write_text("something else"), "not a database"),
        (lambda path: path.mkdir(), "unable to open"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE mine (x)").connection.close(), "something else"),
        (lambda path: path.symlink_to("/nowhere/at/all"), "unable to open"),
    ],
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, prepare: Any, says: str) -> None:
    path = tmp_path / "spans.db"
    prepare(path)
    with pytest.raises(ViewError, match=says):
        SpanStore(path)


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    SpanStore(tmp_path / "spans.db").close()
    connection = sqlite3.connect(tmp_path / "spans.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ViewError, match="another version"):
        SpanStore(tmp_path / "spans.db")
