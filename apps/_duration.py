"""How long, as people type it: `90s`, `15m`, `2h`, `1d`."""

from __future__ import annotations

import re
from typing import Any

import click

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Duration(click.ParamType[float]):
    """Turns `15m` into seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail with what would be right."""
        if isinstance(value, float):  # a default
            return value
        fits = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value), re.ASCII)
        if fits is None:
            self.fail(f"{value!r} is no duration; say 90s, 15m, 2h or 1d", param, ctx)
        return float(fits[1]) * _SECONDS[fits[2]]
