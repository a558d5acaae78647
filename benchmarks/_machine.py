"""What figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version

_LIBRARIES = ("opentelemetry-api", "opentelemetry-sdk", "prometheus-client")
COUNTS_DEPEND_ON = ("python", "compiler", "processor", *_LIBRARIES)
"""What counts of instructions depend on, of what `machine` says."""


def machine() -> dict[str, str | int | None]:
    """Return what the figures are measured on."""
    return {
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "processor": platform.machine(),
        **{name: version(name) for name in _LIBRARIES},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.2f}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
