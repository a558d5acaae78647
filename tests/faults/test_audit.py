"""The audit of these tests finds what it is for: it is run over stores that lose, tear and half-write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.ledger import CANARY, Fate, History, Ledger
from tests.faults.plan import Plan
from tests.faults.traffic import Traffic, check_error

if TYPE_CHECKING:
    from collections.abc import Callable

Map = dict[str, Any]


def loses_a_record(handlers: Map, victim: History) -> None:
    get = handlers["message.get"]

    async def lost(*, id: str) -> Any:
        return None if id == victim.id else await get(id=id)

    handlers["message.get"] = lost


def rewrites(change: Callable[[History, Map], None]) -> Callable[[Map, History], None]:
    def install(handlers: Map, victim: History) -> None:
        get, list_ = handlers["message.get"], handlers["message.listBySession"]

        async def changed(*, id: str) -> Any:
            record = await get(id=id)
            if id == victim.id:
                change(victim, record)
            return record

        async def listed(*, session_id: str) -> Any:
            records = await list_(session_id=session_id)
            for record in records:
                if record["id"] == victim.id:
                    change(victim, record)
            return records

        handlers["message.get"], handlers["message.listBySession"] = changed, listed

    return install


def tear(victim: History, record: Map) -> None:
    record["last"] -= 1


def bring_back_an_older_write(victim: History, record: Map) -> None:
    record.clear()
    record |= victim.attempts[0].body


def lose_an_update(victim: History, record: Map) -> None:
    del record[f"u{victim.attempts[-1].number}"]
    kept = [a for a in victim.attempts if a.verb == "set" or f"u{a.number}" in record]
    record |= {name: kept[-1].body[name] for name in ("first", "text", "last")}


def in_lists(change: Callable[[str, list[Map], Map], list[Map]]) -> Callable[[Map, History], None]:
    """The record itself is right; what is listed in its session, or in another, is not."""

    def install(handlers: Map, victim: History) -> None:
        get, list_ = handlers["message.get"], handlers["message.listBySession"]

        async def listed(*, session_id: str) -> Any:
            record = await get(id=victim.id)
            return change(session_id, await list_(session_id=session_id), record)

        handlers["message.listBySession"] = listed

    return install


def leave_out(session: str, records: list[Map], victim: Map) -> list[Map]:
    return [record for record in records if record["id"] != victim["id"]]


def list_twice(session: str, records: list[Map], victim: Map) -> list[Map]:
    return [*records, victim] if session == victim["sessionId"] else records


def list_in_another_session_too(session: str, records: list[Map], victim: Map) -> list[Map]:
    return records if session == victim["sessionId"] else [*records, victim]


def list_an_older_one(session: str, records: list[Map], victim: Map) -> list[Map]:
    return [{**record, "last": 1} if record["id"] == victim["id"] else record for record in records]


def list_what_is_nowhere(session: str, records: list[Map], victim: Map) -> list[Map]:
    return [*records, {"id": "nobody", "sessionId": session}]


def list_an_entry_without_a_record(session: str, records: list[Map], victim: Map) -> list[Map]:
    return [*records, {}]


def turn_around(session: str, records: list[Map], victim: Map) -> list[Map]:
    return records[::-1]


BROKEN: dict[str, tuple[Callable[[Map, History], None], str]] = {
    "a lost record": (loses_a_record, "lost, and a write"),
    "a torn record": (rewrites(tear), "torn"),
    "an older record": (rewrites(bring_back_an_older_write), "acknowledged and is lost"),
    "a lost update": (rewrites(lose_an_update), "acknowledged and is lost"),
    "a record that no list has": (in_lists(leave_out), r"listed in \[\]"),
    "a record listed twice": (in_lists(list_twice), "listed in"),
    "a record left behind by a move": (in_lists(list_in_another_session_too), "listed in"),
    "a list that is behind": (in_lists(list_an_older_one), "lists what `get` does not return"),
    "a list entry without a record": (in_lists(list_what_is_nowhere), "lists what `get` does not return"),
    "half a list entry": (in_lists(list_an_entry_without_a_record), "lists what `get` does not return"),
    "another order": (in_lists(turn_around), "came later"),
}


async def write_some(handlers: Map, *, writes: int = 300) -> Ledger:
    """Let three writers write in turns, each write acknowledged."""
    ledger = Ledger()
    plans = [Plan(writer, 1) for writer in range(3)]
    for number in range(writes):
        history, attempt = plans[number % 3].next()
        ledger.begin(history, attempt)
        what = "value" if attempt.verb == "set" else "updates"
        await handlers[f"{history.entity}.{attempt.verb}"](id=history.id, **{what: attempt.body})
        ledger.end(attempt, Fate.ACKNOWLEDGED)
    return ledger


@pytest.mark.parametrize(("break_it", "says"), BROKEN.values(), ids=BROKEN.keys())
async def test_the_audit_finds(break_it: Callable[[Map, History], None], says: str) -> None:
    async with open_backend("memory:") as backend:
        ledger = await write_some(dict(backend))
        await audit(backend, ledger)
        broken = dict(backend)
        victim = next(
            history
            for history in ledger.of("message")
            if [attempt.verb for attempt in history.attempts[-2:]] == ["update", "update"]
        )
        break_it(broken, victim)
        with pytest.raises(AssertionError, match=says):
            await audit(broken, ledger)


async def test_the_audit_finds_a_write_that_was_said_not_to_be() -> None:
    async with open_backend("memory:") as backend:
        ledger = await write_some(dict(backend))
        history = ledger.of("setup")[-1]
        history.attempts[-1].fate = Fate.REFUSED
        with pytest.raises(AssertionError, match="refused and is there all the same"):
            await audit(backend, ledger)


async def test_the_audit_accepts_each_fate_of_a_write_that_is_unknown() -> None:
    async with open_backend("memory:") as backend:
        ledger = await write_some(dict(backend))
        for history in ledger.of("session"):
            for verb in ("update", "set"):
                attempt = history.attempt(verb, None, "never written")
                ledger.begin(history, attempt)
            await backend["session.update"](id=history.id, updates=history.attempts[-2].body)
        await audit(backend, ledger)


async def test_traffic_that_nothing_disturbs_leaves_a_store_that_passes() -> None:
    async with open_backend("memory:") as backend:
        async with Traffic(backend, limit=1) as traffic:
            await traffic.get_on(50)
        assert traffic.ledger.acknowledged >= 300
        assert not traffic.errors
        await audit(backend, traffic.ledger)


async def test_traffic_sees_a_torn_record_while_it_runs() -> None:
    async with open_backend("memory:") as backend:

        async def torn(*, id: str) -> Any:
            record = await backend["part.get"](id=id)
            return None if record is None else {**record, "last": 0}

        with pytest.raises(AssertionError, match="torn"):
            async with Traffic({**backend, "part.get": torn}, limit=1) as traffic:
                await traffic.get_on(200)


async def test_traffic_sees_a_call_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.traffic.SLACK", 0.05)

    async def slow(*, id: str, value: Any) -> None:
        await asyncio.sleep(0.3)

    async with open_backend("memory:") as backend:
        with pytest.raises(AssertionError, match="are allowed"):
            async with Traffic({**backend, "setup.set": slow}, limit=0.1) as traffic:
                await traffic.get_on(200)


async def test_traffic_that_does_not_get_on_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.traffic.RECOVERY", 0.2)

    async def down(**_: Any) -> None:
        raise BackendError("down", driver_error="X", retryable=True) from None

    async with open_backend("memory:") as backend:
        with pytest.raises(AssertionError, match="do not all get on"):
            async with Traffic(dict.fromkeys(backend, down), limit=1) as traffic:
                await traffic.get_on()


def raised(error: BackendError, cause: Exception | None = None) -> BackendError:
    with pytest.raises(BackendError) as caught:
        raise error from cause
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        raised(BackendError("no driver", retryable=True)),
        raised(BackendError("not retryable", driver_error="X")),
        raised(BackendError(f"holds {CANARY}", driver_error="X", retryable=True)),
        raised(BackendError("a cause", driver_error="X", retryable=True), ValueError(CANARY)),
        raised(BackendError("a write may have been applied", driver_error="X", retryable=True)),
    ],
    ids=str,
)
def test_errors_that_say_too_little_or_too_much_are_seen(error: BackendError) -> None:
    with pytest.raises(AssertionError):
        check_error(error)
    check_error(raised(BackendError("as it should be", driver_error="X", retryable=True, maybe_applied=True)))
