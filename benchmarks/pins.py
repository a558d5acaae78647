"""What pins cost while the lease is held: a read behind guard and router, and what a write asks the registry."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks._relay import relayed
from benchmarks._result import Result, Row
from benchmarks._rounds import microseconds, quietest
from benchmarks._stacks import REGION
from benchmarks._stores import started
from benchmarks.guard import policy_of
from storescope import OPERATIONS, BackendInfo, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import PinRegistry, region_guard, route_by_region

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from storescope import Handlers

CALLS, ROUNDS, ALIKE = 300, 60, 100  # short rounds, of which some go undisturbed on a busy machine
MOST_ADDED = 12.0  # microseconds
ELSEWHERE = "aws:us-east-1"
_LONG = 3_600.0  # seconds: a lease that is renewed only long after what is counted
_TENANT = "tenant-1"
_POLICY = policy_of(10)
_READS: dict[str, dict[str, Any]] = {
    "session.get": {"id": "s"},
    "message.get": {"id": "m"},
    "message.listBySession": {"session_id": "s"},
}


def answering(region: str) -> Handlers:
    """Return handlers that answer at once, with a labelled record: what is measured is what stands around them."""
    label = {"region": region, "tenant": _TENANT, "session": "s"}
    session = {"id": "s", "$residency": {**label, "id": "s"}}
    message = {"id": "m", "sessionId": "s", "text": "x" * 100, "$residency": {**label, "id": "m"}}
    messages = [message]

    async def get_session(*, id: str) -> Any:
        return session if id == "s" else None

    async def get_message(*, id: str) -> Any:
        return message if id == "m" else None

    async def list_(*, session_id: str) -> Any:
        return messages if session_id == "s" else []

    async def set_(*, id: str, value: Any) -> None:
        """Keep nothing: it is there already."""

    handlers: dict[str, Any] = {
        "session.get": get_session,
        "session.set": set_,
        "message.get": get_message,
        "message.set": set_,
    }
    info = BackendInfo("memory", region=region, keeps_labels=True)
    return wrap({**handlers, "message.listBySession": list_}, backend=info)


async def run(folder: Path) -> Result:
    """Measure reads; count what writes ask the registry."""
    reads = await _reads()
    rows = [
        Row(f"{kind} adds to {name}", _added(reads, kind, name), most=MOST_ADDED)
        for kind in ("the guard", "the router")
        for name in _READS
    ]
    with started("redis", folder) as address:
        for name, trips in (await registry_trips(address, ALIKE)).items():
            rows.append(Row(f"{name}: round trips to the registry", trips, most=0 if "held" in name else None))
    return Result("what pins cost while the lease is held", rows, {"reads": reads}, "us a call (best round)")


def _added(reads: dict[str, list[float]], kind: str, name: str) -> float:
    """Return what a read takes longer than the bare wrapped handler."""
    return quietest(reads[f"{kind}, {name}"]) - quietest(reads[f"bare, {name}"])


async def _reads() -> dict[str, list[float]]:
    contenders: dict[str, Callable[[], Awaitable[Any]]] = {}
    async with await PinRegistry.open("memory:", lease_seconds=_LONG) as pins:
        maps = {
            "bare": answering(REGION),
            "the guard": wrap(answering(REGION), region_guard(_POLICY, caller_region=REGION, pins=pins)),
            "the router": wrap(
                route_by_region(
                    {region: answering(region) for region in (REGION, ELSEWHERE)},
                    _POLICY,
                    pins=pins,
                    caller_region=REGION,
                )
            ),
        }
        with call_context(tenant=_TENANT, region=REGION):
            for kind, handlers in maps.items():
                await handlers["message.set"](id="m", value={"id": "m", "sessionId": "s"})
                for name, params in _READS.items():
                    contenders[f"{kind}, {name}"] = partial(handlers[name], **params)
            return await microseconds(contenders, calls=CALLS, rounds=ROUNDS)


async def registry_trips(address: str, calls: int) -> dict[str, int]:
    """Return how often a registry on a Redis server is asked: by first calls, then by `calls` more of each kind.

    Args:
        address: The server's URL.
        calls: How many of each operation are made once the leases are held.
    """
    port = address.rpartition(":")[2].partition("/")[0]
    async with (
        relayed(int(port)) as relay,
        await PinRegistry.open(address.replace(f":{port}/", f":{relay.port}/"), lease_seconds=_LONG) as pins,
        open_backend("memory:", region=REGION) as here,
        open_backend("memory:", region=ELSEWHERE) as there,
    ):
        routed = wrap(route_by_region({REGION: here, ELSEWHERE: there}, _POLICY, pins=pins, caller_region=REGION))
        trips: dict[str, int] = {}
        with call_context(tenant=_TENANT, region=REGION):
            for times, title in ((1, "the first call of each kind"), (calls, "more calls with the lease held")):
                before = relay.trips
                for _ in range(times):
                    await _call_everything(routed)
                trips[title] = relay.trips - before
        return trips


async def _call_everything(handlers: Handlers) -> None:
    """Make a call of every operation, what is set before what is read of it."""
    order = ("set", "update", "get", "listBySession")
    for operation in sorted(OPERATIONS.values(), key=lambda each: order.index(each.verb)):
        id_ = "s" if operation.entity == "session" else operation.entity
        record = {"sessionId": "s"} if operation.entity in {"message", "part"} else {"n": 1}
        given = {"id": id_, "session_id": "s", "value": record, "updates": record}
        await handlers[operation.name](**{name: given[name] for name in operation.params})
