"""`storescope residency move`: what it moves, and what it refuses before anything has changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from storescope import call_context, wrap
from storescope.middleware import ResidencyPolicy, route_by_region
from tests.region.proofs.regions import (
    CANARY,
    EU,
    RECORDS,
    SESSION,
    US,
    Terminal,
    World,
    command,
    inside,
    make,
    move,
    move_arguments,
    proof_in,
    verify,
)

if TYPE_CHECKING:
    from pathlib import Path


async def in_us(world: World) -> None:
    """Hold the session to be in the US, whole, and open."""
    assert await world.rows(US) == RECORDS
    assert await world.rows(EU) == {}
    pin = await world.pin()
    assert (pin.region, pin.fence, pin.epoch) == (US, None, 2)


async def in_eu(world: World) -> None:
    """Hold the session to be where it was, whole, and open."""
    assert await world.rows(EU) == RECORDS
    pin = await world.pin()
    assert (pin.region, pin.fence, pin.epoch) == (EU, None, 1)


def test_a_session_is_moved_and_the_proof_says_so(folder: Path) -> None:
    done = move(folder)
    assert done.code == 0
    first, second = done.out.splitlines()
    assert first == f"moved from {EU} to {US}: 4 records (1 session, 2 message, 1 part)"
    proof = proof_in(folder)
    assert second.startswith(f"proof: {proof} ")
    assert "residency.pub: made now" in done.err
    inside(folder, in_us)
    said = json.loads(proof.read_bytes())
    assert said["tenant"] == "acme"
    assert said["counts"] == {"session": 1, "message": 2, "part": 1}
    assert (said["source"]["region"], said["target"]["region"], said["late"]) == (EU, US, [])
    assert said["not_covered"]
    assert len({row["digest"] for row in said["rows"]}) == len(RECORDS)
    assert CANARY not in proof.read_text()
    assert SESSION not in proof.read_text()
    assert proof.with_suffix(".salt").stat().st_mode & 0o777 == 0o600
    assert verify(folder).code == 0


def test_as_json_with_ids_in_clear_a_key_and_a_file_of_ones_own(folder: Path) -> None:
    assert command("residency", "keygen", folder / "mover").code == 0
    proof = folder / "deep" / "proof.json"
    done = move(folder, "--json", "--ids", "clear", "--key", folder / "mover.key", "--proof", proof)
    assert json.loads(done.out) | {"move": ""} == {
        "move": "",
        "source": EU,
        "target": US,
        "counts": {"session": 1, "message": 2, "part": 1},
        "late": 0,
        "left_at_source": 0,
        "proof": str(proof),
        "salt": str(folder / "deep" / "proof.salt"),
    }
    assert done.err == ""
    assert [row["id"] for row in json.loads(proof.read_bytes())["rows"]] == ["m1", "m2", "p1", SESSION]
    verified = command("residency", "verify-proof", proof, "--key", folder / "mover.pub")
    assert verified.code == 0
    assert move(folder, "--proof", proof, to=EU).code == 2  # another move's proof is there
    inside(folder, in_us)
    assert move(folder, to=EU).code == 0  # and back again


def test_a_terminal_shows_how_far_it_is(folder: Path) -> None:
    assert command(*move_arguments(folder), err=(shown := Terminal())).code == 0
    assert "opening" in shown.getvalue()  # what comes after it is too short to be shown each time


@pytest.mark.parametrize(
    ("tenant", "more", "says"),
    [
        ("acme", {"to": EU}, "is in aws:eu-west-1 already"),
        ("acme", {"session": "unknown"}, "no such session is pinned"),
        ("globex", {}, "backend_region_forbidden"),
    ],
    ids=["there already", "not pinned", "policy"],
)
def test_what_is_refused_exits_1_and_changes_nothing(
    tenant: str, more: dict[str, Any], says: str, tmp_path: Path
) -> None:
    done = move(make(tmp_path, tenant), **more)
    assert (done.code, done.out) == (1, "")
    assert says in done.err
    assert "nothing has moved" in done.err
    assert SESSION not in done.err
    inside(tmp_path, in_eu)
    assert not list(tmp_path.glob("proofs/*.json"))


@pytest.mark.parametrize(
    ("region", "label", "says"),
    [
        (EU, {"region": EU, "tenant": "globex", "session": SESSION, "id": "x"}, "label_tenant_mismatch"),
        (EU, {"region": US, "tenant": "acme", "session": SESSION, "id": "x"}, "label_region_mismatch"),
        (EU, None, "label_missing"),
        (EU, {"region": EU, "tenant": "acme", "session": SESSION, "id": "x" * 300}, "does not name the id"),
        (US, {"region": US, "tenant": "acme", "session": SESSION, "id": "x"}, "is split: 1 of its records"),
    ],
    ids=["tenant", "region", "none", "impossible id", "split"],
)
def test_a_row_that_a_move_would_launder_is_refused(
    region: str, label: dict[str, str] | None, says: str, folder: Path
) -> None:
    row = {"sessionId": SESSION, "text": CANARY} | ({"$residency": label} if label else {})

    async def put(world: World) -> None:
        await world.stores[region]["message.set"](id="x", value=row)

    async def take_away(world: World) -> None:
        await world.stores[region].admin.purge("message", "x")

    inside(folder, put)
    done = move(folder)
    assert done.code == 1
    assert says in done.err
    inside(folder, take_away)
    inside(folder, in_eu)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "aws:eu-central-1"], "no --backend is given for aws:eu-central-1"),
        (["--backend", "local:secret"], "must be REGION=URL"),
        (["--backend", f"{EU}=local:twice"], "given twice"),
        (["--backend", "aws:eu-south-1=local:nowhere"], "holds no storage"),
        (["--pins", "local:nowhere"], "holds no storage"),
        (["--policy", "nowhere.toml"], "nowhere.toml"),
        (["--key", "nowhere.key"], "the key cannot be read"),
        (["--proof", "policy.toml/proofs"], "no proof can be written there"),
        (["--label-key", "nowhere"], "cannot be read"),
        (["--lease-seconds", "0"], "0"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_wrong_usage_exits_2_and_changes_nothing(
    arguments: list[str], says: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = move(folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "secret" not in done.err
    inside(folder, in_eu)


def test_a_session_id_that_no_store_takes_is_wrong_usage(folder: Path) -> None:
    assert move(folder, session="").code == 2
    assert move(folder, session="x" * 300).code == 2


def test_a_store_that_says_that_it_is_elsewhere_is_wrong_usage(folder: Path) -> None:
    """Its marker was written for this place, and names another region."""

    async def mark(world: World) -> None:
        await world.stores[US].admin.mark("aws:eu-central-1")

    inside(folder, mark)
    done = command(
        *("residency", "move", SESSION, "--to", US, "--policy", folder / "policy.toml"),
        *("--pins", f"local:{folder / 'pins'}", "--backend", f"{EU}=local:{folder / 'eu'}"),
        *("--backend", f"{US}=local:{folder / 'us'}?probe=true", "--proof", folder / "proofs"),
    )
    assert done.code == 2
    assert "conflict" in done.err
    inside(folder, in_eu)


def test_the_agents_go_on_with_what_was_moved(folder: Path) -> None:
    """The records were labelled anew, so that the guard of the target's region returns them."""
    assert move(folder).code == 0

    async def go_on(world: World) -> None:
        policy = ResidencyPolicy.load(folder / "policy.toml")
        handlers = wrap(route_by_region(world.stores, policy, pins=world.pins, caller_region=EU))
        with call_context(tenant="acme"):
            assert await handlers["session.get"](id=SESSION) == RECORDS["session", SESSION]
            assert await handlers["message.listBySession"](session_id=SESSION) == [
                RECORDS["message", "m1"],
                RECORDS["message", "m2"],
            ]
            await handlers["message.update"](id="m1", updates={"text": "new"})

    inside(folder, go_on)
    assert verify(folder).code == 4  # it says that the session was used since then
