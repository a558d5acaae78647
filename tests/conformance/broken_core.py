"""Maps that each break the core contract in one way, as handlers out in the world do."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Any

from storescope import wrap
from tests.conformance.maps import MemoryMap, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope import BackendInfo, Call, Handlers, Operation, Step

BROKEN: dict[type[MemoryMap], tuple[str, ...]] = {}


def caught_by(*cases: str) -> Callable[[type[MemoryMap]], type[MemoryMap]]:
    """Collect a broken map with the cases that claim to protect what it breaks."""

    def collect(broken: type[MemoryMap]) -> type[MemoryMap]:
        BROKEN[broken] = cases
        return broken

    return collect


@caught_by("missing_is_none")
class GetRaisesForMissing(MemoryMap):
    async def get(self, entity: str, id_: str) -> Any:
        return self.copied(self.rows(entity)[id_])


@caught_by("missing_is_none")
class GetReturnsEmptyForMissing(MemoryMap):
    async def get(self, entity: str, id_: str) -> Any:
        return self.copied(self.rows(entity).get(id_, {}))


@caught_by("set_returns_none")
class SetReturnsTheRecord(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        await super().set(entity, id_, value)
        return value


@caught_by("set_replaces_whole")
class SetMerges(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        await super().set(entity, id_, {**self.rows(entity).get(id_, {}), **value})


@caught_by("set_replaces_whole", "other_records_stay")
class SetOnlyInserts(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        if id_ not in self.rows(entity):
            await super().set(entity, id_, value)


@caught_by("set_returns_none", "set_replaces_whole")
class SetRaisesForExisting(MemoryMap):
    async def set(self, entity: str, id_: str, value: Any) -> Any:
        if id_ in self.rows(entity):
            raise ValueError("duplicate key")
        await super().set(entity, id_, value)


@caught_by("other_records_stay")
class HoldsOneRecord(MemoryMap):
    def put(self, entity: str, id_: str, record: dict[str, Any]) -> None:
        self.rows(entity).clear()
        super().put(entity, id_, record)


def _as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    return float(value) if type(value) is int else value


@caught_by("set_then_get", "unknown_fields_pass_through")
class IntegersBecomeFloats(MemoryMap):
    def copied(self, record: Any) -> Any:
        return _as_floats(super().copied(record))


@caught_by("unknown_fields_pass_through")
class DropsUnknownFields(MemoryMap):
    def copied(self, record: Any) -> Any:
        known = {"id", "sessionId", "createdAt", "title"}
        return record and {key: value for key, value in super().copied(record).items() if key in known}


@caught_by("unknown_fields_pass_through")
class EmptyStringsBecomeNull(MemoryMap):
    def copied(self, record: Any) -> Any:
        return record and {key: value or None for key, value in super().copied(record).items()}


@caught_by("returned_record_is_the_callers", "stored_record_is_a_copy")
class SharesItsRecords(MemoryMap):
    def copied(self, record: Any) -> Any:
        return record


@caught_by("returned_record_is_the_callers", "stored_record_is_a_copy")
class CopiesOnlyTheSurface(MemoryMap):
    def copied(self, record: Any) -> Any:
        return record and dict(record)


@caught_by("kinds_do_not_mix", "messages_and_parts_do_not_mix")
class OneTableForAll(MemoryMap):
    def rows(self, entity: str) -> Rows:
        return self.tables["session"]


@caught_by("set_replaces_whole", "update_merges")
class ReturnsWhatItReadBefore(MemoryMap):
    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[tuple[str, str], Any] = {}

    async def get(self, entity: str, id_: str) -> Any:
        if (entity, id_) not in self.cache:
            self.cache[entity, id_] = await super().get(entity, id_)
        return self.copied(self.cache[entity, id_])

    async def set(self, entity: str, id_: str, value: Any) -> Any:
        await super().set(entity, id_, value)
        self.cache.setdefault((entity, id_), self.copied(value))


def _layer(refused: Callable[[Step, Call], Any]) -> Any:
    """Return a middleware that handles refused calls in its own way."""

    def layer(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        async def step(call: Call) -> Any:
            return await (refused(next_step, call) if call.refusal else next_step(call))

        return step

    return layer


REFUSALS = (
    "get_refuses_what_is_no_id",
    "set_refuses_what_is_no_id",
    "update_refuses_what_is_no_id",
    "list_refuses_what_is_no_id",
    "set_refuses_what_is_no_dict",
    "update_refuses_what_is_no_dict",
    "set_refuses_another_id",
    "update_refuses_another_id",
    "set_refuses_what_is_in_no_session",
    "update_refuses_what_is_no_session",
)


@caught_by(*REFUSALS)
class SwallowsRefusals(MemoryMap):
    def handlers(self) -> Handlers:
        async def swallow(next_step: Step, call: Call) -> None:
            return None

        return wrap(super().handlers(), _layer(swallow))


@caught_by("set_refuses_another_id", "update_refuses_another_id", "set_refuses_what_is_in_no_session")
class WritesBeforeItRefuses(MemoryMap):
    def handlers(self) -> Handlers:
        async def write(next_step: Step, call: Call) -> Any:
            refusal, call.refusal = call.refusal, None
            await next_step(call)
            raise refusal or AssertionError

        return wrap(super().handlers(), _layer(write))


@caught_by("list_in_order_of_insertion")
class ListsInRandomOrder(MemoryMap):
    async def list(self, entity: str, session: str) -> Any:
        rows = await super().list(entity, session)
        return random.sample(rows, len(rows))


@caught_by("cancelled_get_answers_no_other_call")
class LeavesAnswersBehind(MemoryMap):
    def __init__(self) -> None:
        super().__init__()
        self.answers: deque[Any] = deque()

    async def get(self, entity: str, id_: str) -> Any:
        self.answers.append(self.copied(self.rows(entity).get(id_)))
        await asyncio.sleep(0)
        return self.answers.popleft()


@caught_by("cancelled_set_leaves_whole_records")
class LosesItsLockOnCancel(MemoryMap):
    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    async def set(self, entity: str, id_: str, value: Any) -> Any:
        await self.lock.acquire()
        await super().set(entity, id_, value)
        self.lock.release()
