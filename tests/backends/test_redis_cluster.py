"""`redis+cluster://`: one slot for a session, and moves between slots that may end at any step."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import exceptions as redis_errors

from storescope import BackendError, InvalidRecordError, RecordNotFoundError, RecordTooLargeError, call_context
from storescope.backends import Backend, open_backend
from storescope.backends._redis._keys import SlotKeys
from storescope.backends._redis_cluster import _lists
from tests.backends.hostile import HOSTILE
from tests.backends.scans import scan_all

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.servers import RedisCluster

MOST_STEPS = 12


@pytest.fixture
async def backend(redis_cluster_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(redis_cluster_url) as opened:
        yield opened


def client_of(backend: Backend) -> Any:
    return backend._engine._server.client  # type: ignore[attr-defined] # only Redis has it


async def keys_of(backend: Backend) -> list[str]:
    """Return all keys of this test, without their prefix."""
    prefix = backend._engine._server.prefix  # type: ignore[attr-defined] # only Redis has it
    found: list[str] = []
    for node in client_of(backend).get_primaries():
        keys = await client_of(backend).execute_command("KEYS", f"{prefix}:*", target_nodes=node)
        found += [key.decode().removeprefix(prefix) for key in keys]
    return sorted(found)


async def ids_in(backend: Backend, session: str) -> list[str]:
    return [record["id"] for record in await backend["message.listBySession"](session_id=session)]


class DeathError(Exception):
    """The client dies here."""


class Mortal:
    """Lets a client's commands through, and dies before or after one of them."""

    def __init__(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = client_of(backend)._execute_command
        self.left, self.after = -1, False
        monkeypatch.setattr(type(client_of(backend)), "_execute_command", self._execute, raising=True)

    def dies(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after

    async def _execute(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == -1 and not self.after:
            raise DeathError
        answer = await self._real(node, *args, **kwargs)
        if self.left == -1:
            raise DeathError
        return answer


CHANGES: dict[str, Callable[[Backend], Any]] = {
    "set elsewhere": lambda b: b["message.set"](id="m", value={"id": "m", "sessionId": "t", "new": 1}),
    "moved by an update": lambda b: b["message.update"](id="m", updates={"sessionId": "t", "new": 1}),
    "set again": lambda b: b["message.set"](id="m", value={"id": "m", "sessionId": "s", "new": 1}),
    "updated": lambda b: b["message.update"](id="m", updates={"new": 1}),
    "set for the first time": lambda b: b["message.set"](id="n", value={"id": "n", "sessionId": "s", "new": 1}),
    "purged": lambda b: b.admin.purge("message", "m"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before a step", "after a step"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_client_that_dies_at_any_step_loses_nothing_and_shows_nothing_twice(
    backend: Backend, change: Callable[[Backend], Any], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    """And what it left behind keeps nobody from writing, and is gone with the records."""
    mortal = Mortal(backend, monkeypatch)
    for step in range(MOST_STEPS):
        for id_ in ("l", "m"):
            await backend["message.set"](id=id_, value={"id": id_, "sessionId": "s", "old": 1})
        mortal.dies(step, after=after)
        died = True
        with suppress(DeathError):
            await change(backend)
            died = False
        mortal.dies(-1, after=False)
        for _ in range(2):  # what is seen stays so
            await hold_together(backend)
        await backend["message.set"](id="n", value={"id": "n", "sessionId": "t"})
        with suppress(RecordNotFoundError):
            await backend["message.update"](id="m", updates={"sessionId": "s", "more": 1})
        await hold_together(backend)
        assert "n" in await ids_in(backend, "t")
        for id_ in ("l", "m", "n"):
            await backend.admin.purge("message", id_)
        with monkeypatch.context() as later:
            later.setattr(_lists, "_FORGOTTEN", -1_000_000)
            assert await ids_in(backend, "s") == await ids_in(backend, "t") == []
        assert await scan_all(backend, "message") == []
        assert await keys_of(backend) == []
        if not died:
            break
    else:
        pytest.fail(f"it takes more than {MOST_STEPS} steps")


async def hold_together(backend: Backend) -> None:
    """What get finds is in the list of its session, once and the same, and nothing else is in any list."""
    listed = [record for session in "st" for record in await backend["message.listBySession"](session_id=session)]
    found = [record for id_ in "lmn" if (record := await backend["message.get"](id=id_)) is not None]
    assert sorted(map(repr, listed)) == sorted(map(repr, found))
    assert {record["id"] for record in found} >= {"l"}


async def test_moves_of_one_record_by_many_at_once_end_in_one_place(backend: Backend) -> None:
    """Sets, moves and updates together: each field of an acknowledged update is there, unless a set came later."""
    await backend["message.set"](id="m", value={"id": "m", "sessionId": "s0"})
    update = backend["message.update"]
    moves = [update(id="m", updates={"sessionId": f"s{n % 4}", f"m{n}": n}) for n in range(12)]
    updates = [update(id="m", updates={f"u{n}": n}) for n in range(12)]
    await asyncio.gather(*moves, *updates)
    record = await backend["message.get"](id="m")
    assert set(record) == {"id", "sessionId", *(f"m{n}" for n in range(12)), *(f"u{n}" for n in range(12))}
    listed = [await backend["message.listBySession"](session_id=f"s{n}") for n in range(4)]
    assert [each for records in listed for each in records] == [record]


async def test_a_first_set_that_a_list_took_for_forgotten_is_made_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks differ, and a client may be slow: what it acknowledges is there all the same."""
    await backend["message.set"](id="w", value={"id": "w", "sessionId": "s"})  # the node knows the scripts
    real = client_of(backend)._execute_command
    sent = 0

    async def list_before_the_pointer_is_written(node: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 3:  # after the look at the pointer, and the record's arrival
            with monkeypatch.context() as later:
                later.setattr(_lists, "_FORGOTTEN", -1_000_000)
                assert await asyncio.create_task(ids_in(backend, "s")) == ["w"]
        return await real(node, *args, **kwargs)

    patched = staticmethod(list_before_the_pointer_is_written)
    monkeypatch.setattr(type(client_of(backend)), "_execute_command", patched)
    await backend["message.set"](id="m", value={"id": "m", "sessionId": "s"})
    assert sent > 3
    assert await ids_in(backend, "s") == ["w", "m"]
    assert await backend["message.get"](id="m") == {"id": "m", "sessionId": "s"}


async def test_first_sets_of_one_record_at_once_leave_one(backend: Backend) -> None:
    for round_ in range(10):
        id_ = f"m{round_}"
        put = [backend["part.set"](id=id_, value={"id": id_, "sessionId": f"s{n % 2}", "n": n}) for n in range(6)]
        await asyncio.gather(*put)
    listed = [record for n in range(2) for record in await backend["part.listBySession"](session_id=f"s{n}")]
    assert Counter(record["id"] for record in listed) == Counter(f"m{n}" for n in range(10))
    for record in listed:
        assert await backend["part.get"](id=record["id"]) == record


async def test_lists_never_show_a_record_twice_while_it_moves(backend: Backend) -> None:
    """Nor do they lose it: it is in one of two lists, or has moved from one that is read later to the other."""
    await backend["message.set"](id="m", value={"id": "m", "sessionId": "s"})
    moving = True

    async def move() -> None:
        nonlocal moving
        for number in range(60):
            await backend["message.update"](id="m", updates={"sessionId": "ts"[number % 2], "n": number})
        moving = False

    async def look() -> None:
        while moving:
            assert await backend["message.get"](id="m") is not None
            assert len(await ids_in(backend, "s")) <= 1
            assert len(await ids_in(backend, "t")) <= 1

    await asyncio.gather(move(), look(), look())


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tenant=HOSTILE, id_=HOSTILE)
def test_each_key_is_read_as_it_was_made(tenant: str, id_: str) -> None:
    keys = SlotKeys("my/app")
    for entity in ("session", "message"):
        assert keys.read(keys.record(tenant, entity, id_).encode()) == (tenant, entity, id_)


@given(session=st.text(min_size=1, max_size=12), tenant=st.sampled_from(["", "a:b", "a}b", "ü"]))
def test_a_session_is_in_one_slot_with_its_messages_and_parts(session: str, tenant: str) -> None:
    from redis.crc import key_slot  # noqa: PLC0415 (for this test alone)

    keys = SlotKeys("p")
    own = [
        keys.record(tenant, "session", session),
        keys.session(tenant, "message", session),
        keys.session(tenant, "part", session),
    ]
    assert len({key_slot(key.encode("utf-8", "surrogatepass")) for key in own}) == 1


async def test_sessions_are_spread_and_every_key_begins_with_the_prefix(
    shared_redis_cluster: RedisCluster, redis_cluster_url: str
) -> None:
    async with open_backend(redis_cluster_url, tenancy="required") as backend:
        with call_context(tenant="a:b"):
            for entity in ("session", "message", "part", "sandbox", "setup"):
                await backend[f"{entity}.set"](id="i", value={"sessionId": "s"})
        entities = [f":{{a%3Ab:i}}:{entity}" for entity in ("session", "message", "part", "sandbox", "setup")]
        assert await keys_of(backend) == sorted([*entities, ":{a%3Ab:s}:messages", ":{a%3Ab:s}:parts"])
    async with open_backend(redis_cluster_url) as backend:
        await asyncio.gather(*(backend["session.set"](id=f"s{n}", value={}) for n in range(300)))
        shares = [int(shared_redis_cluster.ask(node, "dbsize")) for node in shared_redis_cluster.nodes]
        assert min(shares) > 50


async def test_an_emptied_session_leaves_no_key(backend: Backend) -> None:
    await backend["message.set"](id="m", value={"sessionId": "s"})
    await backend["message.set"](id="m", value={"sessionId": "t"})
    assert await keys_of(backend) == [":{:m}:message", ":{:t}:messages"]


async def test_a_move_that_makes_too_large_a_record_changes_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend["message.set"](id="m", value={"id": "m", "sessionId": "s", "text": "x" * 600})
    monkeypatch.setattr(backend._engine.message, "_max_bytes", 1_000)
    with pytest.raises(RecordTooLargeError):
        await backend["message.update"](id="m", updates={"sessionId": "t", "more": "y" * 600})
    await backend["message.update"](id="m", updates={"more": "z"})
    assert (await ids_in(backend, "s"), await ids_in(backend, "t")) == (["m"], [])


async def test_updates_do_not_pile_up(backend: Backend) -> None:
    await backend["message.set"](id="m", value={"sessionId": "s"})
    for number in range(40):
        await backend["message.update"](id="m", updates={"text": "x" * 10_000, "n": number})
    key = SlotKeys(backend._engine._server.prefix).session("", "message", "s")  # type: ignore[attr-defined] # only Redis has it
    value = await client_of(backend).hget(key, "m")
    assert len(value) < 100_000
    assert value.count(b"\n") < 20


async def test_a_scan_gives_up_when_slots_have_moved(backend: Backend, shared_redis_cluster: RedisCluster) -> None:
    """A record that goes with its slot from a node that is yet to come to one that is done would be missed."""
    for number in range(60):
        await backend["setup.set"](id=f"s{number}", value={})
    _, cursor = await backend.admin.scan("setup", limit=10)
    giver, taker = shared_redis_cluster.nodes[:2]
    names = {node: shared_redis_cluster.ask(node, "cluster", "myid").strip() for node in (giver, taker)}
    reshard = ("--cluster", "reshard", f"127.0.0.1:{giver.port}", "--cluster-slots", "1", "--cluster-yes")
    shared_redis_cluster.command(*reshard, "--cluster-from", names[giver], "--cluster-to", names[taker])
    with pytest.raises(BackendError, match="begin it again") as caught:
        await scan_on(backend, cursor)
    assert caught.value.retryable
    async with asyncio.timeout(20):
        while True:  # the nodes tell each other
            with suppress(BackendError):
                assert len({record.id for record in await scan_all(backend, "setup")}) == 60
                break


async def scan_on(backend: Backend, cursor: str | None) -> None:
    while cursor:
        _, cursor = await backend.admin.scan("setup", cursor, limit=10)


@pytest.mark.parametrize("cursor", ["setup:x", "setup:W10=", "setup:WzEsMiwzXQ==", "setup:WyJhIiwiYiIsIngiXQ=="])
async def test_what_is_no_cursor_is_refused(backend: Backend, cursor: str) -> None:
    with pytest.raises(InvalidRecordError, match="cursor"):
        await backend.admin.scan("setup", cursor)


async def test_a_list_is_one_round_trip(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        await backend["part.set"](id=f"p{number}", value={"sessionId": "s"})
    sent: list[str] = []
    real = client_of(backend)._execute_command

    async def note(node: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(args[0])
        return await real(node, *args, **kwargs)

    monkeypatch.setattr(type(client_of(backend)), "_execute_command", staticmethod(note))
    assert len(await backend["part.listBySession"](session_id="s")) == 50
    assert sent == ["HVALS"]


async def test_a_slot_on_its_way_is_followed_by_many_at_once(
    backend: Backend, shared_redis_cluster: RedisCluster
) -> None:
    """redis-py alone sends ASKING on one connection and the command on another, and gives up."""
    cluster, key = shared_redis_cluster, SlotKeys(backend._engine._server.prefix).record("", "setup", "gone")  # type: ignore[attr-defined] # only Redis has it
    slot = cluster.ask(cluster.nodes[0], "cluster", "keyslot", key).strip()
    owner = client_of(backend).get_node_from_key(key).port
    source = next(node for node in cluster.nodes if node.port == owner)
    target = next(node for node in cluster.nodes if node.port != owner)
    names = {node: cluster.ask(node, "cluster", "myid").strip() for node in (source, target)}
    await asyncio.gather(*(backend["setup.get"](id=f"s{number}") for number in range(60)))  # many connections
    cluster.ask(target, "cluster", "setslot", slot, "importing", names[source])
    cluster.ask(source, "cluster", "setslot", slot, "migrating", names[target])
    try:
        await asyncio.gather(*(backend["setup.set"](id="gone", value={"n": number}) for number in range(20)))
        assert (await backend["setup.get"](id="gone"))["n"] >= 0
        with pytest.raises(BackendError, match="begin it again"):
            await scan_all(backend, "setup")
    finally:
        for node in (target, source, *cluster.nodes):
            cluster.ask(node, "cluster", "setslot", slot, "node", names[target])
    assert (await backend["setup.get"](id="gone"))["n"] >= 0


def test_the_driver_still_has_what_is_overridden() -> None:
    """The client takes redirections into its own hands, by a method that redis-py does not promise to keep."""
    from redis.asyncio.cluster import RedisCluster as Client  # noqa: PLC0415 (for this test alone)

    assert callable(Client._execute_command)
    assert redis_errors.MovedError("1 host:7").slot_id == 1
