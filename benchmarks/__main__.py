"""Run the benchmarks, print them as tables, write their raw figures to `benchmarks/results/NAME.json`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import (
    audit_group,
    audit_memory,
    audit_none,
    audit_verify,
    backend_calls,
    bridge,
    cluster_nodes,
    durable,
    guard,
    layers,
    limit,
    list_gets,
    list_memory,
    list_time,
    list_trips,
    pins,
    redis_get,
    view_ingest,
    view_search,
)
from benchmarks._lists import Sizes
from benchmarks._stores import KV_STORES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks._result import Result

BENCHMARKS: dict[str, Callable[[Path], Coroutine[Any, Any, Result]]] = {
    "limit": limit.run,
    "layers": layers.run,
    "redis_get": redis_get.run,
    "guard": guard.run,
    "pins": pins.run,
    "audit_none": audit_none.run,
    "audit_group": audit_group.run,
    "backend_calls": backend_calls.run,
    "kv_calls": partial(backend_calls.run, stores=KV_STORES, rounds=80, limit=None),
    "durable": durable.run,
    "bridge": bridge.run,
    "list_gets": list_gets.run,
    "list_trips": list_trips.run,
    "list_time": list_time.run,
    "kv_list_time": partial(list_time.run, stores=KV_STORES, sizes=Sizes(others=1_000), rounds=5),
    "list_memory": list_memory.run,
    "cluster_nodes": cluster_nodes.run,
    "view_ingest": view_ingest.run,
    "view_search": view_search.run,
    "audit_verify": audit_verify.run,
    "audit_memory": audit_memory.run,
}
RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, str | int | None]:
    """Return what the figures were measured on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.2f}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(console: Console, name: str, result: Result) -> None:
    """Print one benchmark."""
    table = Table(title=f"{name}: {result.question}", title_justify="left")
    for column in ("", result.unit, "ratio", "at most"):
        table.add_column(column, justify="left" if not column else "right")
    for row in result.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        limit_ = "" if row.limit is None else f"{row.limit:.2f}"
        limit_ += "" if row.most is None else f"{row.most:g}"
        limit_ += f" {'ok' if row.holds else 'MISSED'}" if limit_ else ""
        table.add_row(row.name, f"{row.value:.1f}", ratio, limit_)
    console.print(table)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all. Return 1 if a limit is missed, 2 for an unknown name."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    logging.getLogger("storescope").setLevel(logging.ERROR)  # each stack makes an auditor's key and says so
    console = Console()
    missed = False
    RESULTS.mkdir(exist_ok=True)
    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder:
            result = asyncio.run(BENCHMARKS[name](Path(folder)))
        show(console, name, result)
        report = {"machine": machine(), **asdict(result)}
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
        missed = missed or any(not row.holds for row in result.rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
