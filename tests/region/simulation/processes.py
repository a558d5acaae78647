"""Processes as a run finds them: a guard of any kind in front of one of the stores, and an observer around it."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Literal

from storescope import BackendInfo, wrap
from storescope.middleware import region_guard
from tests.region.policies import EU, US
from tests.region.simulation.attempts import Process
from tests.region.simulation.clock import Reader
from tests.region.simulation.oracle import ViolationError
from tests.region.simulation.scheduler import pause

if TYPE_CHECKING:
    from storescope import Call, Operation, Step
    from tests.region.simulation.world import World

KEYS = (b"key one of 32 bytes.............", b"key two of 32 bytes.............")
_LABELS: list[Literal["required", "auto", "off"]] = ["required", "auto", "off"]


def random_process(world: World, name: str) -> Process:
    """Make a process whose guard knows much or little, labels or not, with keys or not."""
    chance, clock = world.chance, world.clock
    storage = chance.choice(world.storages)
    other = EU if storage.region == US else US
    labels = chance.choices(_LABELS, [4, 3, 1])[0]
    attested = chance.choices([None, storage.region, other], [16, 6, 1])[0]
    info = BackendInfo(
        "memory",
        name,
        region=chance.choices([storage.region, None], [20, 1])[0],
        region_confidence=chance.choices(["declared", "probed", "conflict", "rumoured"], [40, 6, 1, 1])[0],
        keeps_labels=chance.random() < 0.8,
    )
    clock.reader = Reader(clock)
    process = Process(
        name,
        storage,
        info,
        *_known(info, attested),
        caller_region=chance.choices([None, EU, US], [3, 5, 3])[0],
        labels=labels == "required" or (labels == "auto" and info.keeps_labels),
        # Mostly the same keys in every process: else all would deny what the others wrote.
        keys=world.keys if chance.random() < 0.8 else chance.choice([(), KEYS[1:], KEYS]),
        filters=chance.random() < 0.4,
        reader=clock.reader,
    )
    guard = region_guard(
        world.in_force,
        caller_region=process.caller_region,
        labels=labels,
        label_keys=process.keys,
        mixed_lists="filter" if process.filters else "raise",
        attest=lambda _: attested,
    )
    process.handlers = wrap(storage.handlers(), Observer(world), guard, backend=info)
    return process


def _known(info: BackendInfo, attested: str | None) -> tuple[str | None, str]:
    """Return where a store is, and how sure that is, when the user's own function was asked too."""
    if attested is None or info.region_confidence == "conflict":
        return info.region, info.region_confidence
    if info.region is not None and info.region != attested:
        return info.region, "conflict"
    return attested, "attested"


class Observer:
    """Stands where audit stands: waits between the opening of a call and its enforcement, and sees how it ends."""

    layer = "audit"
    region = None

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        world = self._world

        async def step(call: Call) -> Any:
            at = world.opened(call)
            await pause(f"{at} waits for the disk")
            try:
                result = await next_step(call)
            except ViolationError:
                raise
            except (Exception, CancelledError) as error:
                world.ended(at, None, error)
                raise
            world.ended(at, result, None)
            return result

        return step
