"""What the region guard costs: decisions about facts that were seen and about new ones, calls with labels."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds, ratio
from benchmarks._stacks import BACKEND, REGION
from storescope import OPERATIONS, Call, CallContext, call_context, wrap
from storescope.middleware import ResidencyPolicy, region_guard
from storescope.middleware._region._guard import FixedPolicy
from storescope.middleware._region._memory import Memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from storescope import Handlers

CALLS, ROUNDS = 2_000, 9
FEW, MANY = 10, 10_000
MOST_SEEN, MOST_NEW, MOST_ADDED = 2.0, 10.0, 6.0  # microseconds
FLAT = 1.3


def policy_of(tenants: int) -> ResidencyPolicy:
    """Return a policy with so many tenants."""
    return ResidencyPolicy.from_dict(
        {
            "schema": "residency/1",
            "version": "1",
            "mode": "enforce",
            "min_confidence": "declared",
            "regions": {"eu": [REGION], "us": ["aws:us-east-1"]},
            "tenants": {f"tenant-{number}": "eu-only" for number in range(tenants)},
            "rules": {"eu-only": {"store": ["eu"], "access": ["eu"], "home": REGION}},
        }
    )


def deciding(tenants: int, *, seen: bool) -> Callable[[], Awaitable[None]]:
    """Return what decides about one call after the other, each of the next tenant.

    There are as many calls whatever the number of tenants: what it costs to walk over them is the same.
    """
    memory = Memory(FixedPolicy(policy_of(tenants)), BACKEND, REGION, "off")
    operation = OPERATIONS["session.get"]
    made = [
        Call(operation, {"id": "s"}, CallContext(tenant=f"tenant-{number % tenants}", region=REGION))
        for number in range(MANY)
    ]
    calls, decisions = cycle(made), memory._seen.decisions  # noqa: SLF001 (to forget them)

    async def work() -> None:
        memory.ask(operation.name, next(calls))
        if not seen and len(decisions) == tenants:
            decisions.clear()

    for call in made if seen else ():
        memory.ask(operation.name, call)
    return work


def rows_in_memory() -> Handlers:
    """Return handlers that answer at once."""
    rows: dict[str, Any] = {}

    async def get(*, id: str) -> Any:
        return rows.get(id)

    async def set_(*, id: str, value: Any) -> None:
        rows[id] = value

    return {"message.get": get, "message.set": set_}


async def run(_: Path) -> Result:
    """Measure decisions, then whole calls with labels, without and with a MAC."""
    decisions = await microseconds(
        {
            "seen, 10 tenants": deciding(FEW, seen=True),
            "seen, 10,000 tenants": deciding(MANY, seen=True),
            "new, 10 tenants": deciding(FEW, seen=False),
            "new, 10,000 tenants": deciding(MANY, seen=False),
        },
        calls=CALLS,
        rounds=ROUNDS,
    )
    rows = [
        Row(f"a decision, {name}", median(figures), most=MOST_SEEN if name.startswith("seen") else MOST_NEW)
        for name, figures in decisions.items()
    ]
    for kind in ("seen", "new"):
        flat = ratio(decisions, f"{kind}, 10,000 tenants", f"{kind}, 10 tenants")
        rows.append(Row(f"{kind}: 10,000 tenants to 10", median(decisions[f"{kind}, 10,000 tenants"]), flat, FLAT))
    calls = await _whole_calls()
    rows += _added(calls)
    return Result("what the region guard costs", rows, {"decisions": decisions, "calls": calls})


async def _whole_calls() -> dict[str, list[float]]:
    value = {"id": "m1", "sessionId": "s1", "role": "user", "text": "x" * 100}
    kinds: dict[str, dict[str, Any] | None] = {
        "bare": None,
        "labels off": {"labels": "off"},
        "labels": {"labels": "required"},
        "labels with a MAC": {"labels": "required", "label_keys": [b"k" * 32]},
    }
    contenders: dict[str, Callable[[], Awaitable[Any]]] = {}
    with call_context(tenant="tenant-1", region=REGION):
        for name, options in kinds.items():
            guards = [] if options is None else [region_guard(policy_of(MANY), caller_region=REGION, **options)]
            handlers = wrap(rows_in_memory(), *guards, backend=BACKEND)
            await handlers["message.set"](id="m1", value=value)
            contenders[f"get, {name}"] = partial(handlers["message.get"], id="m1")
            contenders[f"set, {name}"] = partial(handlers["message.set"], id="m1", value=value)
        return await microseconds(contenders, calls=CALLS, rounds=ROUNDS)


def _added(calls: dict[str, list[float]]) -> list[Row]:
    """Return what each guard adds to the bare wrapped handler; the limit leaves out the MAC, an option."""
    rows: list[Row] = []
    for name, figures in calls.items():
        verb, _, kind = name.partition(", ")
        if kind == "bare":
            continue
        added = [with_ - without for with_, without in zip(figures, calls[f"{verb}, bare"], strict=True)]
        most = None if "MAC" in kind else MOST_ADDED
        rows.append(Row(f"the guard adds to message.{verb}, {kind}", median(added), most=most))
    return rows
