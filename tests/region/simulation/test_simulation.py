"""The guard keeps its promises in every run, and every weakening of it is found out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from storescope import OPERATIONS
from storescope.middleware._region._decision import PIN_CODES, REASONS
from tests.region.simulation.measure import WEAKENINGS, runs_until_found, simulated
from tests.region.simulation.weaken import Weakening, documented
from tests.region.simulation.world import simulate

if TYPE_CHECKING:
    from collections import Counter

pytestmark = pytest.mark.unmeasured

RUNS = 200 * int(os.environ.get("STORESCOPE_ROUNDS_SCALE", "1"))
MOST = 600  # runs; the slowest to be found took 293 in nine series


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    """The counts of all runs; a broken promise fails here, with its seed and what went before."""
    return simulated(RUNS)


def test_the_guard_keeps_its_promises_and_every_operation_is_tried_both_ways(seen: Counter[str]) -> None:
    for operation in OPERATIONS:
        for end in ("returns", "ResidencyError", "InvalidRecordError", "FaultError", "CancelledError"):
            assert seen[f"{operation} {end}"], f"{operation} {end}"


def test_every_code_and_every_effect_is_met(seen: Counter[str]) -> None:
    effects = {effect for name in seen for effect, _, code in [name.partition(" ")] if code in REASONS}
    assert effects == {"allow", "deny", "would_deny", "exception", "filtered"}
    for code in set(REASONS) - {"allowed"} - PIN_CODES:  # pins have a simulation of their own
        assert seen[f"deny {code}"], code


STAGES = (
    "enforcement",
    *(f"{contact}, {when}" for contact in ("a look", "its own contact") for when in ("before", "after")),
)


@pytest.mark.parametrize("what", ["write_behind", "operate", "pass_time", "change_own_record", "cancelled"])
def test_calls_are_disturbed_wherever_they_wait(what: str, seen: Counter[str]) -> None:
    for stage in STAGES:
        assert seen[f"{what} at {stage}"], stage


def test_the_store_fails_before_and_after_it_applies(seen: Counter[str]) -> None:
    assert seen["fails before"]
    assert seen["fails after"]


def test_a_seed_repeats_its_run() -> None:
    assert simulate(4711) == simulate(4711)


@pytest.mark.parametrize("weakening", WEAKENINGS, ids=lambda weakening: weakening.says)
def test_a_weakened_guard_is_found_out(weakening: Weakening) -> None:
    assert runs_until_found(weakening, most=MOST), f"{weakening.says} Nothing noticed it in {MOST} runs."


def test_a_weakening_whose_text_is_gone_is_no_weakening(monkeypatch: pytest.MonkeyPatch) -> None:
    first = WEAKENINGS[0]
    stale = Weakening("Stale.", first.owner, first.function, "a text that is not there", "")
    with pytest.raises(LookupError, match="must stand once in"):
        stale.apply(monkeypatch)


def test_the_docs_list_every_weakening() -> None:
    assert documented("Policy and labels") == [weakening.says for weakening in WEAKENINGS]
