"""`/healthz`, `/readyz`, `/v1/info` and `/metrics`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from storescope.apps.serve._refusal import Answer
from storescope.backends._wire import JSON

if TYPE_CHECKING:
    from storescope.apps.serve._gate import Gate
    from storescope.apps.serve._request import Request
    from storescope.apps.serve._stack import Stack

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_REMEMBER_SECONDS = 1.0


class Health:
    """Answers what whoever operates the bridge asks.

    Attributes:
        draining: Whether it is about to end, and wants no new work.
    """

    def __init__(self, stack: Stack, gate: Gate) -> None:
        self._stack = stack
        self._gate = gate
        self._known: tuple[float, dict[str, str], bool] | None = None
        self.draining = False

    async def alive(self, request: Request) -> Answer:
        """Say that the process serves."""
        del request
        return _json(200, {"alive": True})

    async def ready(self, request: Request) -> Answer:
        """Say whether calls would be served; what was found counts for a second, whoever asks how often."""
        del request
        now = time.monotonic()
        if self._known is None or now - self._known[0] > _REMEMBER_SECONDS:
            self._known = (now, *await self._look())
        _, checks, sound = self._known
        if self.draining:
            checks, sound = {**checks, "draining": "it is about to end"}, False
        return _json(200 if sound else 503, {"ready": sound, "checks": checks})

    async def _look(self) -> tuple[dict[str, str], bool]:
        backend, log = await self._stack.backend_fault(), self._stack.audit_fault()
        checks = {
            "backend": backend or "ok",
            "audit": log or ("none" if self._stack.log is None else "ok"),
            "policy": self._stack.policy_state(),
        }
        return checks, backend is None and log is None

    async def info(self, request: Request) -> Answer:
        """Say what a client must know of the store. A guard here refuses the labels of a guard there."""
        self._gate.admit(request)
        info = self._stack.info
        return _json(
            200,
            {
                "system": info.system,
                "name": info.label,
                "region": info.region,
                "regionConfidence": info.region_confidence,
                "keepsLabels": info.keeps_labels and self._stack.policy is None,
            },
        )

    async def metrics(self, request: Request) -> Answer:
        """Return the metrics, of all worker processes together."""
        self._gate.admit_scrape(request)
        folder = os.environ.get(FOLDER_VARIABLE)
        encoder, kind = choose_encoder(request.headers.get("accept", ""))
        return Answer(200, encoder(REGISTRY if folder is None else _together(Path(folder))), kind)


def _together(folder: Path) -> CollectorRegistry:
    """Return the registry of all workers; what was in flight in one that died is not any more."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call] # prometheus-client has no types
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call] # as above
    return registry


def _json(status: int, value: dict[str, Any]) -> Answer:
    return Answer(status, orjson.dumps(value), JSON)
