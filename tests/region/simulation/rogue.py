"""A rogue who writes rows behind the guard: without a label, with a wrong, a forged or somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.region.policies import EU, EU_2, US
from tests.region.simulation.agents import IDS
from tests.region.simulation.attempts import FIELD, IN_SESSION
from tests.region.simulation.notary import session_of
from tests.region.simulation.policies import TENANTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.region.simulation.attempts import Attempt
    from tests.region.simulation.storage import Key, Storage
    from tests.region.simulation.world import World

NO_MAC = "0" * 32
ENTITIES = ("session", "message", "part", "sandbox", "setup")


def write_behind(world: World, at: Attempt) -> None:
    """Write, move or drop a row behind the guard."""
    chance = world.chance
    storage = at.process.storage if chance.random() < 0.8 else chance.choice(world.storages)
    entity = at.operation.entity if chance.random() < 0.8 else chance.choice(ENTITIES)
    id_ = at.params.get("id", chance.choice(IDS)) if chance.random() < 0.8 else chance.choice(IDS)
    if entity in IN_SESSION and chance.random() < 0.15:
        entity, id_ = "session", chance.choice(IDS)
    name, (_, deed) = chance.choices(list(_DEEDS.items()), [weight for weight, _ in _DEEDS.values()])[0]
    deed(world, at, storage, (entity, id_))
    world.note(f"the rogue: {name} at {storage.name} {entity} {id_!r}: {storage.rows.get((entity, id_))}")


def _open_way(world: World, at: Attempt, storage: Storage, key: Key) -> None:
    """Take away what a write may collide with, and give it the session that it names."""
    storage = at.process.storage
    if at.operation.writes:
        storage.drop((at.operation.entity, at.params["id"]))
    if at.session is not None:
        label = {"tenant": at.tenant, "region": storage.region, "session": at.session}
        storage.put(("session", at.session), {"text": f"rogue {world.count()}", FIELD: label}, None)


def _drop(world: World, at: Attempt, storage: Storage, key: Key) -> None:
    storage.drop(key)


def _relabel(world: World, at: Attempt, storage: Storage, key: Key) -> None:
    """Write a record whose label is missing, malformed, foreign, stale, or right but for its MAC."""
    chance = world.chance
    record: dict[str, Any] = {"text": f"rogue {world.count()}", "id": key[1], "sessionId": chance.choice(IDS)}
    label = {
        "tenant": at.tenant,
        "region": storage.region,
        "session": session_of(*key, record),
        "id": key[1],
        "mac": NO_MAC,
    }
    changes: list[dict[str, Any]] = [
        {"tenant": chance.choice(TENANTS)},
        {"tenant": f"{at.tenant}-labs"},
        {"region": chance.choice([EU, EU_2, US])},
        {"session": chance.choice(IDS)},
        {"mac": None, "id": None},
        {"session": None},
        *[{}] * 8,
    ]
    label = {name: value for name, value in {**label, **chance.choice(changes)}.items() if value is not None}
    record[FIELD] = chance.choices([label, None, "eu", ["eu"], {}], [12, 2, 1, 1, 1])[0]
    if record[FIELD] is None and chance.random() < 0.8:
        del record[FIELD]
    if chance.random() < 0.15:
        del record["sessionId"]
    storage.put(key, record if chance.random() < 0.97 else "no record", chance.choice(IDS))


def _move(world: World, at: Attempt, storage: Storage, key: Key) -> None:
    """Copy a row with its label from elsewhere."""
    source = world.chance.choice(world.storages)
    found = [row for row in source.rows.values() if isinstance(row, dict)]
    if found:
        record = {**world.chance.choice(found)}
        storage.put(key, record, str(record.get("sessionId", "a")))


def _forge(world: World, at: Attempt, storage: Storage, key: Key) -> None:
    """Put a label with a genuine MAC where the caller will look, made to fit in what it must say."""
    chance, storage, asked = world.chance, at.process.storage, at.params.get("session_id")
    wanted = (*key, at.tenant, at.process.region, asked)
    found = [
        (
            sum(one != other for one, other in zip(wanted, (*place, *_named(row, asked)), strict=True)),
            place[1],
            row,
        )
        for source in world.storages
        for place, row in source.rows.items()
        if _has_mac(row)
    ]
    if not found:
        return
    nearest = min(distance for distance, _, _ in found)
    _, id_, row = chance.choice([each for each in found if each[0] == nearest])
    record = {**row, "id": key[1]}
    if "sessionId" in row and (asked or not nearest):
        record["sessionId"] = asked or chance.choice(IDS)
    fits = {"tenant": at.tenant, "region": storage.region, "session": session_of(*key, record), "id": key[1]}
    if chance.random() < 0.4:  # the label goes on naming the record that it was made for
        fits["id"] = id_
    record[FIELD] = {name: fits.get(name) or value for name, value in row[FIELD].items()}
    storage.put(key, record, record.get("sessionId"))


def _has_mac(row: Any) -> bool:
    """Return whether a record has a label whose MAC may be genuine."""
    label = row.get(FIELD) if isinstance(row, dict) else None
    return isinstance(label, dict) and label.get("mac") not in {None, NO_MAC}


def _named(row: dict[str, Any], asked: str | None) -> tuple[Any, ...]:
    """Return what a label names: tenant, region, and the session if it matters."""
    label = row[FIELD]
    return label.get("tenant"), label.get("region"), asked and label.get("session")


def _list_elsewhere(world: World, at: Attempt, storage: Storage, key: Key) -> None:
    """Put rows that are there into another session's list."""
    for other in storage.listed:
        storage.listed[other] = at.params.get("session_id", world.chance.choice(IDS))


_DEEDS: dict[str, tuple[int, Callable[[World, Attempt, Storage, Key], None]]] = {
    "relabels": (4, _relabel),
    "moves": (2, _move),
    "forges": (6, _forge),
    "drops": (1, _drop),
    "opens the way": (2, _open_way),
    "lists elsewhere": (1, _list_elsewhere),
}
