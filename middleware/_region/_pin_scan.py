"""Holds the pin registry against what stores hold, and makes the pins and claims that are missing.

Pins are looked at once all stores were listed whole: only then is it known that a session lies in one region,
under one tenant. What is there is never written over, but for the fence of a split session that is whole again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from storescope.backends._kv._engine import NO_LIMIT
from storescope.contract import IN_SESSION
from storescope.errors import StorageError, VersionConflictError
from storescope.middleware._region._pins import _identity as identity
from storescope.middleware._region._pins._pin import PINS, SPLIT, Fence, Pin, PinKey
from storescope.middleware._region._pins._store import ABSENT, Store
from storescope.middleware._region._rehoming import NOBODY
from storescope.middleware._region._scan_report import ScanReport, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from storescope.backends._kv._engine import Entry

_AT_ONCE = 256  # keys that are read together


class Found(NamedTuple):
    """A record whose label can be believed.

    Attributes:
        id: Its id.
        tenant: Whose it is.
        session: The session that a message or part names; of other records, nothing.
    """

    id: str
    tenant: str
    session: str | None


class Place(NamedTuple):
    """Where records of a session, sandbox or setup were found, and under whose label."""

    region: str
    tenant: str


class Engine(Store, Protocol):
    """A `KvEngine`, as far as it is used here."""

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each of some keys."""
        ...


class PinScan:
    """What records say of pins, and what the registry says."""

    def __init__(self, engine: Engine, report: ScanReport, *, adopt: bool) -> None:
        """Make it.

        Args:
            engine: Where the registry is kept.
            report: What is found is added to it.
            adopt: Whether to make what is missing.
        """
        self._engine = engine
        self._report = report
        self._adopt = adopt
        self._places: dict[PinKey, tuple[Place, ...]] = {}
        self._regions: set[str] = set()

    async def look_at(self, entity: str, found: Iterable[Found], region: str) -> None:
        """Note where some records are, and hold the claims of messages and parts against them.

        Raises:
            BackendError: If the registry fails.
        """
        self._regions.add(region)
        claims: dict[PinKey, Found] = {}
        for record in found:
            key = PinKey(entity, record.id)
            if entity in IN_SESSION:
                claims[key] = record
                key = PinKey("session", record.session or "")
            places, place = self._places.get(key, ()), Place(region, record.tenant)
            if place not in places:
                self._places[key] = (*places, place)
        entries = await self._get([key.claim for key in claims])
        for (key, record), entry in zip(claims.items(), entries, strict=True):
            await self._look_at_claim(key, record, region, entry)

    async def _look_at_claim(self, key: PinKey, record: Found, region: str, entry: Entry | None) -> None:
        session = (record.session or "").encode()
        if entry is None and self._adopt:
            try:
                await self._engine.put(key.claim, session, expected=ABSENT)
            except VersionConflictError:
                entry = await self._engine.get(key.claim)
            else:
                self._report.claimed += 1
                return
        if entry is None or entry.value != session:
            code = "claim_missing" if entry is None else "claim_mismatch"
            self._report.add(Violation(key.entity, record.tenant, key.id, code, region))

    async def finish(self) -> None:
        """Hold the pins against all that was found; once it is certain that nothing is missing of it."""
        if self._report.unseen:
            return
        try:
            await self._look_at_registry()
            await self._look_at_places()
            await self._look_for_empty_pins()
            if self._adopt:  # last: until then nobody opens it as if it were whole
                await identity.begin(self._engine)
        except StorageError as error:
            self._report.unseen["pins"] = str(error)

    async def _look_at_registry(self) -> None:
        if not self._adopt and await identity.read(self._engine) is None:
            self._report.add(Violation("registry", None, "identity", "pins_lost", None))

    async def _look_at_places(self) -> None:
        for keys in _chunks(list(self._places)):
            for key, entry in zip(keys, await self._get([key.pin for key in keys]), strict=True):
                await self._look_at_pin(key, self._places[key], entry)

    async def _look_at_pin(self, key: PinKey, places: tuple[Place, ...], entry: Entry | None) -> None:
        pin = Pin.from_bytes(entry.value) if entry is not None else None
        wanted = pin_of(places)
        if pin is None or self._is_healed(pin, places):
            if self._adopt:
                return await self._pin(key, places, wanted, entry)
            is_missing = pin is None and wanted.fence is None
            return self._complain(key, places, "pin_missing" if is_missing else "session_split")
        for place in places:
            code = _fault(pin, place)
            if code is not None:
                self._complain(key, (place,), code)
        return None

    def _is_healed(self, pin: Pin, places: tuple[Place, ...]) -> bool:
        """Return whether what was split is whole now, as a look at every region shows that it was split over."""
        if pin.fence is None or pin.fence.why != SPLIT or len(places) > 1:
            return False
        return {region for region, _ in pin.fence.data["places"]} <= self._regions

    async def _pin(self, key: PinKey, places: tuple[Place, ...], wanted: Pin, entry: Entry | None) -> None:
        """Make a pin; one that was split gets an epoch of its own."""
        before = Pin.from_bytes(entry.value).epoch if entry is not None else 0
        try:
            await self._engine.put(
                key.pin,
                replace(wanted, epoch=before + 1).to_bytes(),
                expected=ABSENT if entry is None else entry.version,
            )
        except VersionConflictError:  # somebody pinned it meanwhile: that holds
            return await self._look_at_pin(key, places, await self._engine.get(key.pin))
        if wanted.fence is not None:
            return self._complain(key, places, "session_split")
        self._report.pinned += 1
        return None

    async def _look_for_empty_pins(self) -> None:
        after = None
        while True:
            page = await self._engine.list(PINS, after=after)
            keys = [key for listed in page.keys if (key := _key_of(listed.key)) not in self._places]
            for chunk in _chunks(keys):
                for key, entry in zip(chunk, await self._get([key.pin for key in chunk]), strict=True):
                    pin = Pin.from_bytes(entry.value) if entry is not None else None
                    if pin is not None and pin.region in self._regions:
                        self._complain(key, (Place(pin.region, pin.tenant),), "pin_without_records")
            after = page.after
            if after is None:
                return

    async def _get(self, keys: list[str]) -> list[Entry | None]:
        return await self._engine.get_many(keys, max_bytes=NO_LIMIT) if keys else []

    def _complain(self, key: PinKey, places: tuple[Place, ...], code: str) -> None:
        for place in places:
            self._report.add(Violation(key.entity, place.tenant, key.id, code, place.region))


def pin_of(places: tuple[Place, ...]) -> Pin:
    """Return the pin that records ask for; fenced off for good if they do not agree."""
    first = min(places)
    if len(places) == 1:
        return Pin(first.region, first.tenant)
    return Pin(
        first.region,
        first.tenant,
        fence=Fence(NOBODY, SPLIT, {"places": [list(place) for place in sorted(places)]}),
    )


def _fault(pin: Pin, place: Place) -> str | None:
    """Return the code of what is wrong with records at a place, by their pin."""
    fence = pin.fence
    if fence is not None and fence.why == SPLIT:
        return "session_split"
    if place.tenant != pin.tenant:
        return "tenant_mismatch"
    on_the_way = {fence.data["from"], fence.data["to"]} if fence is not None and fence.why == "move" else set()
    return None if place.region in {pin.region, *on_the_way} else "pin_region_mismatch"


def _key_of(key: str) -> PinKey:
    entity, id_ = key.removeprefix(PINS).split("/", 1)
    return PinKey(entity, id_)


def _chunks(keys: list[PinKey]) -> Iterator[list[PinKey]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
