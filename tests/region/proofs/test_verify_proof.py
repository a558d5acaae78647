"""`storescope residency verify-proof`: what was altered is noticed, and what the stores hold now is told."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey, VerifyKey

from storescope import call_context
from storescope.middleware._region._moving._proof import render, sign
from storescope.middleware._region._moving._signing import load_signer, load_verifier
from storescope.middleware._region._moving._verify import Verdict
from storescope.middleware._region._moving._verify import verify as verify_text
from tests.region.proofs.regions import CANARY, EU, SESSION, US, World, command, inside, proof_in, verify

ROUNDS_SCALE = int(os.environ.get("STORESCOPE_ROUNDS_SCALE", "1"))

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Place = tuple[str | int, ...]


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Return where every value of a proof is."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*here, name))


def altered(value: Any, place: Place, new: Any) -> Any:
    """Return a value with something else in one place."""
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = altered(copy[place[0]], place[1:], new)  # type: ignore[index] # of either
    return copy


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([1]),
)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60 * ROUNDS_SCALE,
)
@given(st.data())
def test_whatever_value_is_replaced_is_noticed(made_moved_folder: Path, data: st.DataObject) -> None:
    """In every field, though the text be written as storescope writes it; with the signer's key and without."""
    content = proof_in(made_moved_folder).read_bytes()
    proof = json.loads(content)
    place = data.draw(st.sampled_from(list(places(proof))))
    new = data.draw(json_values)
    try:
        text = render(altered(proof, place, new)).encode()
    except AttributeError:  # it is no object any more
        text = json.dumps(new).encode()
    if text != content:
        key = load_verifier(made_moved_folder / "proofs" / "residency.pub")
        assert verify_text(text, key).verdict is Verdict.ALTERED
        assert verify_text(text, None).verdict is Verdict.ALTERED


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60 * ROUNDS_SCALE,
)
@given(st.data())
def test_whatever_bytes_are_replaced_are_noticed(made_moved_folder: Path, data: st.DataObject) -> None:
    """Two readers must not read two things in it: not even a space may be another."""
    content = proof_in(made_moved_folder).read_bytes()
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 3))
    text = content[:at] + data.draw(st.binary(max_size=3)) + content[at + length :]
    if text != content:
        assert verify_text(text, None).verdict is Verdict.ALTERED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"schema": "residency-move/1"}',
        b'{"schema": "residency-move/2"}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_proof_is_altered(content: bytes) -> None:
    assert verify_text(content, None).verdict is Verdict.ALTERED


@pytest.mark.parametrize(
    ("place", "new"),
    [(("counts", "message"), 3), (("ids",), "no"), (("digests", "algorithm"), "MD5"), (("rows",), [])],
    ids=str,
)
def test_a_proof_that_contradicts_itself_is_none_though_it_is_signed(
    place: Place, new: Any, moved_folder: Path
) -> None:
    proof = json.loads(proof_in(moved_folder).read_bytes())
    del proof["signature"]
    text = sign(altered(proof, place, new), load_signer(moved_folder / "proofs" / "residency.key"))
    assert verify_text(text.encode(), None).altered == "it does not follow the schema residency-move/1"


def test_a_proof_that_somebody_else_signed_passes_only_without_the_key(moved_folder: Path) -> None:
    path = proof_in(moved_folder)
    proof = json.loads(path.read_bytes())
    del proof["signature"]
    path.write_text(sign(proof, SigningKey.generate()))
    done = verify(moved_folder)
    assert (done.code, done.out) == (
        1,
        f"altered: {path}: it is signed with another key than the one that was given\n",
    )
    alone = command("residency", "verify-proof", path)
    assert alone.code == 0
    assert "give --key NAME.pub" in alone.out


def test_anybody_can_verify_it_without_storescope(moved_folder: Path) -> None:
    """As docs/residency.md says: all bytes before the last field, by the key of the .pub file."""
    signed, _, last = proof_in(moved_folder).read_bytes().rpartition(b',\n  "signature": ')
    public = (moved_folder / "proofs" / "residency.pub").read_text().partition(":")[2]
    value = json.loads(last.removesuffix(b"\n}\n"))["value"]
    VerifyKey(base64.b64decode(public)).verify(signed, base64.b64decode(value))


def test_stores_as_the_move_left_them(moved_folder: Path) -> None:
    done = verify(moved_folder)
    assert done.code == 0
    assert done.out.splitlines()[1:3] == [
        "source: no records of the session",
        "target: 4 as they were moved, 0 changed since, 0 gone, 0 new",
    ]


async def _leave_one_behind(world: World) -> None:
    await world.stores[EU]["message.set"](id="m1", value={"sessionId": SESSION, "text": CANARY})


async def _change(world: World) -> None:
    await world.stores[US]["message.update"](id="m1", updates={"text": f"{CANARY}!"})


async def _take_away(world: World) -> None:
    await world.stores[US].admin.purge("part", "p1")


async def _add(world: World) -> None:
    await world.stores[US]["message.set"](id="m9", value={"id": "m9", "sessionId": SESSION, "text": CANARY})


@pytest.mark.parametrize(
    ("happens", "code", "target", "at_source"),
    [
        (_leave_one_behind, 3, [4, 0, 0, 0], 1),
        (_change, 4, [3, 1, 0, 0], 0),
        (_take_away, 4, [3, 0, 1, 0], 0),
        (_add, 0, [4, 0, 0, 1], 0),
    ],
    ids=["left behind", "changed", "gone", "new"],
)
def test_what_the_stores_hold_now(
    happens: Any, code: int, target: list[int], at_source: int, moved_folder: Path
) -> None:
    inside(moved_folder, happens)
    done = verify(moved_folder, "--json")
    report = json.loads(done.out)
    assert done.code == report["exit_code"] == code
    assert list(report["target"].values()) == target
    assert report["at_source"] == at_source
    assert report["signer"] == "given"


def test_the_label_is_not_part_of_the_digest(moved_folder: Path) -> None:
    """It differs from region to region; what the agent wrote does not."""

    async def relabel(world: World) -> None:
        with call_context(tenant="acme"):
            await world.stores[US].admin.merge("message", "m1", {"$residency": {"region": US, "id": "m1"}})

    inside(moved_folder, relabel)
    assert verify(moved_folder).code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--session", "other"], "another session"),
        (["--backend", "aws:eu-central-1=local:x"], "not of aws:eu-central-1"),
        (["--salt", "nowhere.salt"], "the salt cannot be read"),
        (["--salt", "proofs/residency.pub"], "is not the salt of this proof"),
        (["--key", "proofs/residency.key"], "is not a public key (NAME.pub) of storescope residency keygen"),
        (["--key", "nowhere.pub"], "the key cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2(
    arguments: list[str], says: str, moved_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(moved_folder)
    done = verify(moved_folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_without_a_file_or_without_the_session(moved_folder: Path) -> None:
    missing = command("residency", "verify-proof", moved_folder / "nowhere.json")
    assert (missing.code, "cannot be read" in missing.err) == (2, True)
    unnamed = command(
        "residency", "verify-proof", proof_in(moved_folder), "--backend", f"{EU}=local:{moved_folder}/eu"
    )
    assert (unnamed.code, "name the session" in unnamed.err) == (2, True)


def test_who_has_no_salt_cannot_guess_what_was_moved(moved_folder: Path) -> None:
    """The same contents and ids, moved twice, have nothing in common in two proofs."""
    first = {row["digest"] for row in json.loads(proof_in(moved_folder).read_bytes())["rows"]}
    proof = moved_folder / "back.json"
    assert (
        command(
            *("residency", "move", SESSION, "--to", EU, "--policy", moved_folder / "policy.toml"),
            *("--pins", f"local:{moved_folder / 'pins'}", "--backend", f"{EU}=local:{moved_folder / 'eu'}"),
            *("--backend", f"{US}=local:{moved_folder / 'us'}", "--proof", proof),
        ).code
        == 0
    )
    second = json.loads(proof.read_bytes())["rows"]
    assert not first & {row["digest"] for row in second}
