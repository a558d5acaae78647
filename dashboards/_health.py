"""The *Session storage health* dashboard: how one backend does, and where the time of its calls goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.contract import OPERATIONS as CONTRACT
from storescope.dashboards._board import Board, Row
from storescope.dashboards._growth import growth
from storescope.dashboards._measures import (
    calls,
    handler_latency,
    handler_seconds,
    latency,
    layers_seconds,
)
from storescope.dashboards._panels import Column, Spec, heat, lines, query, rows
from storescope.dashboards._queries import RANGE, rate, series, total
from storescope.middleware._definitions import (
    BACKEND_DURATION,
    CONNECTIONS_OPEN,
    CONNECTIONS_WAITING,
    ERRORS,
    IN_FLIGHT,
    OPERATIONS,
    RETRIES,
    UPDATE_CONFLICTS,
)

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives

_WHERE = ("backend", "region")
_UPDATES = tuple(name for name, operation in CONTRACT.items() if operation.verb == "update")


def board(objectives: Objectives) -> Board:
    """Build it."""
    return Board(
        uid="storescope-session-storage-health",
        title="Session storage health",
        description="One backend: where the time of its calls goes, its connections, conflicts and growth.",
        rows=(time(), connections(), growth()),
        metric=OPERATIONS,
        objectives=objectives,
        one_backend=True,
    )


def time() -> Row:
    """Where does the time go: to the store, or before it?"""
    level = 0.99
    return Row(
        100,
        "Where time goes",
        (
            lines(
                Spec(
                    id=101,
                    title="Whole call and handler",
                    shows="How long calls took that the store answered, and how long the backend's own handlers "
                    "did below the middleware: driver, network, store, encoding.",
                    when_wrong="Both up: the store or the network. Only the call: what stands before the store, "
                    "see the next graph. Driver spans in a trace tell encoding from network.",
                    unit="s",
                    width=12,
                    height=9,
                ),
                query(latency(0.5), "call, p50"),
                query(latency(level), "call, p99", exemplars=True),
                query(handler_latency(0.5), "handler, p50"),
                query(handler_latency(level), "handler, p99"),
            ),
            lines(
                Spec(
                    id=102,
                    title="Mean time of a call, by where it went",
                    shows="Mean seconds of a call inside the backend's handlers, and in the layers around them: "
                    "waits for the audit log's disk, the guard, time-outs, your own middleware.",
                    when_wrong="A share of the layers that grows is mostly the audit log's disk: see *Wait for "
                    "the disk* under *Residency and audit*.",
                    unit="s",
                    width=12,
                    height=9,
                ),
                query(handler_seconds(), "handler"),
                query(layers_seconds(), "layers"),
                stacked=True,
            ),
            heat(
                Spec(
                    id=103,
                    title="Handler time, all calls",
                    shows="How many calls of the backend's handlers took how long.",
                    when_wrong="A second band far above the first is a lock, a cold cache or a slow shard: "
                    "choose one operation after the other above.",
                    unit="s",
                    width=12,
                    height=12,
                ),
                total(rate(series(BACKEND_DURATION, "_bucket")), "le"),
            ),
            rows(
                Spec(
                    id=104,
                    title="Operations, by where their time went",
                    shows="Every operation over the whole time range.",
                    when_wrong="Sort by *Layers*: writes wait there for their audit record, reads should not.",
                    unit="short",
                    width=12,
                    height=12,
                ),
                ("operation",),
                [
                    Column("Calls", calls("operation", window=RANGE), "ops"),
                    Column("Handler", handler_seconds("operation", window=RANGE), "s"),
                    Column("Layers", layers_seconds("operation", window=RANGE), "s"),
                    Column("Call, p99", latency(level, "operation", window=RANGE), "s"),
                    Column("Handler, p99", handler_latency(level, "operation", window=RANGE), "s"),
                ],
            ),
        ),
    )


def connections() -> Row:
    """Can it be reached, and do writers meet?"""
    return Row(
        200,
        "Connections and conflicts",
        (
            lines(
                Spec(
                    id=201,
                    title="Connections",
                    shows="Connections to the store that are open, and calls that wait for a free one.",
                    when_wrong="Waiting above zero for long: raise `max_connections`, or find what holds them, "
                    "which *Handler time* shows. Open that only climbs: something opens backends and does not "
                    "close them.",
                    unit="short",
                    width=8,
                ),
                query(total(series(CONNECTIONS_OPEN), *_WHERE), "open", *_WHERE),
                query(total(series(CONNECTIONS_WAITING), *_WHERE), "waiting", *_WHERE),
            ),
            lines(
                Spec(
                    id=202,
                    title="Retries",
                    shows="Reads per second that were sent again because their connection failed.",
                    when_wrong="Steady: an idle time-out in front of the store is shorter than the pool's. In "
                    "bursts: the store restarts, or fails over.",
                    unit="ops",
                    width=8,
                    steps=((0.1, "orange"), (1, "red")),
                ),
                query(total(rate(series(RETRIES)), *_WHERE), "", *_WHERE),
            ),
            lines(
                Spec(
                    id=203,
                    title="Update conflicts",
                    shows="Updates per second that met another writer's, and updates in all. None is lost.",
                    when_wrong="Many for few updates: several tasks write one record. Give each a record of its "
                    "own, or let one of them write.",
                    unit="ops",
                    width=8,
                ),
                query(total(rate(series(UPDATE_CONFLICTS)), *_WHERE), "conflicts", *_WHERE),
                query(total(rate(series(OPERATIONS, operation=_UPDATES)), *_WHERE), "updates", *_WHERE),
            ),
            lines(
                Spec(
                    id=204,
                    title="In flight",
                    shows="Calls that have begun and not ended.",
                    when_wrong="A climb at a steady rate is a store that hangs: add `timeout()`.",
                    unit="short",
                    width=12,
                ),
                query(total(series(IN_FLIGHT), "operation"), "", "operation"),
                stacked=True,
            ),
            lines(
                Spec(
                    id=205,
                    title="Errors by type",
                    shows="What its calls raised, per second, by the error's class or the driver's code.",
                    when_wrong="A driver's code stands in the driver's manual; `StorageTimeoutError` is a store "
                    "that is slow or dead.",
                    unit="ops",
                    width=12,
                ),
                query(total(rate(series(ERRORS)), "error_type"), "", "error_type"),
            ),
        ),
    )
