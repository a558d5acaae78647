"""`move_session`: what goes wrong on the way leaves a session that can be used, or a move that can be finished."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, PolicyError, RecordTooLargeError, UnsupportedOperationError
from storescope.middleware import MoveRefusedError, PinRegistry, ResidencyPolicy, move_session
from storescope.middleware._region._moving import _proof_files
from storescope.middleware._region._moving._signing import ProofError, load_or_make
from tests.region.proofs.regions import CANARY, EU, RECORDS, SESSION, US, World, inside, proof_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Bent:
    """A store of which some handlers, or its purge, do something else."""

    def __init__(self, store: Any, purge: Any = None, **handlers: Any) -> None:
        self.info = store.info
        self.admin = self
        self.purge = purge or store.admin.purge
        self._store = store
        self._handlers = {name.replace("_", "."): handler for name, handler in handlers.items()}

    def __getitem__(self, name: str) -> Any:
        return self._handlers.get(name, self._store[name])


async def moved(world: World, stores: Mapping[str, Any] | None = None, pins: PinRegistry | None = None) -> Any:
    """Move the session."""
    policy = ResidencyPolicy.load(world.folder / "policy.toml")
    return await move_session(
        SESSION,
        to=US,
        backends=stores or world.stores,
        policy=policy,
        pins=pins or world.pins,
        proof=world.folder / "proofs",
    )


def raising(error: Exception) -> Callable[..., Any]:
    async def handler(*_: Any, **__: Any) -> Any:
        raise error

    return handler


@pytest.mark.parametrize(
    ("bent", "says"),
    [
        (
            {"part_set": raising(RecordTooLargeError("larger than it takes"))},
            "does not take a part of the session",
        ),
        (
            {"purge": raising(UnsupportedOperationError("only the fifteen"))},
            "nothing can be purged in aws:us-east-1",
        ),
    ],
    ids=["too large", "no purge"],
)
def test_what_could_never_be_finished_is_given_up(bent: dict[str, Any], says: str, folder: Path) -> None:
    async def check(world: World) -> None:
        with pytest.raises(MoveRefusedError, match=says):
            await moved(world, {EU: world.stores[EU], US: Bent(world.stores[US], **bent)})
        assert await world.rows(EU) == RECORDS
        assert await world.rows(US) == {}
        pin = await world.pin()
        assert (pin.region, pin.fence) == (EU, None)

    inside(folder, check)


def test_a_store_of_another_region_is_refused(folder: Path) -> None:
    async def check(world: World) -> None:
        with pytest.raises(PolicyError, match="the backend given for aws:us-east-1 is in aws:eu-west-1"):
            await moved(world, {EU: world.stores[EU], US: world.stores[EU]})

    inside(folder, check)


def test_without_a_store_where_the_session_is(folder: Path) -> None:
    async def check(world: World) -> None:
        with pytest.raises(MoveRefusedError, match="no backend was given for aws:eu-west-1"):
            await moved(world, {US: world.stores[US]})

    inside(folder, check)


def test_a_proof_that_cannot_be_written_keeps_the_session_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody uses a session whose proof is missing; once there is room again, the same move finishes it."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def check(world: World) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(_proof_files, "write_over", full)
            with pytest.raises(ProofError, match="No space left on device") as failed:
                await moved(world)
        assert failed.value.retryable
        fence = (await world.pin()).fence
        assert fence is not None
        await world.pins.leases.presence.leave()  # else it is certain only after the time of a lease
        done = await asyncio.wait_for(moved(world, pins=impatient(world)), 30)
        assert done.moved.move == fence.data["move"]
        assert [entry.id for entry in done.moved.rows] == ["m1", "m2", "p1", SESSION]
        assert (await world.pin()).fence is None
        assert done.proof == proof_in(folder)

    inside(folder, check)


def impatient(world: World) -> PinRegistry:
    """Return the same registry with a short settling time."""
    from storescope.middleware._region._pins._timing import Timing  # noqa: PLC0415 (in the only place)

    return PinRegistry(world.pins.engine, Timing(settle=0.1), None)


def test_late_writes_are_proven_whoever_finishes(folder: Path) -> None:
    """A row that came to the source after the switch is purged and named, though the one who purged it be gone."""

    async def check(world: World) -> None:
        source, purged = world.stores[EU], 0
        late = {"id": "late", "sessionId": SESSION, "text": CANARY}

        async def purge(entity: str, id: str) -> bool:
            nonlocal purged
            gone = await source.admin.purge(entity, id)
            purged += gone
            if purged == 1 and gone:
                await source["message.set"](id="late", value=late)
                await source["part.set"](id="nameless", value={"sessionId": SESSION, "messageId": "m1"})
            if gone and id == "late":
                raise BackendError("the answer was lost", maybe_applied=True)
            return gone

        with pytest.raises(BackendError, match="the answer was lost"):
            await moved(world, {EU: Bent(source, purge), US: world.stores[US]})
        await world.pins.leases.presence.leave()
        done = await asyncio.wait_for(moved(world, pins=impatient(world)), 30)
        assert [(entry.entity, entry.id) for entry in done.moved.late] == [("message", "late"), ("part", "")]
        assert done.moved.left == 1
        assert await world.rows(EU) == {("part", "nameless"): {"sessionId": SESSION, "messageId": "m1"}}
        said = json.loads(done.proof.read_bytes())
        assert (len(said["rows"]), len(said["late"]), said["left_at_source"]) == (4, 2, 1)
        assert CANARY not in repr(done)

    inside(folder, check)


@pytest.mark.parametrize(
    "strange",
    [
        {"sessionId": SESSION},
        {"id": "m9", "sessionId": SESSION},
        {"sessionId": SESSION, "$residency": {"region": EU, "tenant": "acme", "session": SESSION, "id": "m9"}},
    ],
    ids=["without an id", "without a label", "with another region's label"],
)
def test_a_move_that_is_resumed_leaves_alone_what_it_did_not_copy(strange: dict[str, Any], folder: Path) -> None:
    """It is refused, not broken off for ever; its own copies are purged, and the session can be used."""

    async def check(world: World) -> None:
        broken = Bent(world.stores[US], part_set=raising(BackendError("the answer was lost")))
        with pytest.raises(BackendError, match="the answer was lost"):
            await moved(world, {EU: world.stores[EU], US: broken})
        assert set(await world.rows(US)) == {("message", "m1"), ("message", "m2")}
        await world.stores[US]["message.set"](id="m9", value=strange)
        await world.pins.leases.presence.leave()
        with pytest.raises(MoveRefusedError, match="is split: 1 of its records lie in aws:us-east-1 already"):
            await asyncio.wait_for(moved(world, pins=impatient(world)), 30)
        assert set(await world.rows(US)) == {("message", "m9")}
        assert await world.rows(EU) == RECORDS
        pin = await world.pin()
        assert (pin.region, pin.fence) == (EU, None)

    inside(folder, check)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"[" * 100_000, b'{"move": "another"}'], ids=lambda text: repr(text[:8])
)
def test_no_file_is_written_over_that_is_not_the_moves_own(content: bytes, folder: Path) -> None:
    (folder / "proof.json").write_bytes(content)
    with pytest.raises(ProofError, match="exists already"):
        _proof_files.ProofFiles.prepare(folder / "proof.json", None, "this")
    (folder / "proof.json").write_bytes(b'{"move": "this"}')
    _proof_files.ProofFiles.prepare(folder / "proof.json", None, "this")


def test_a_pair_is_made_once_and_made_whole(tmp_path: Path) -> None:
    """Its maker may be killed between the two files."""
    signer, made = load_or_make(tmp_path / "own")
    public = tmp_path / "own.pub"
    assert made == public
    content = public.read_bytes()
    assert load_or_make(tmp_path / "own") == (signer, None)
    public.unlink()
    assert load_or_make(tmp_path / "own") == (signer, public)
    assert public.read_bytes() == content
    (tmp_path / "own.key").unlink()
    with pytest.raises(ProofError, match=r"own\.pub exists already"):
        load_or_make(tmp_path / "own")
