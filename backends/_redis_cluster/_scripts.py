"""The Lua scripts beside this file. Each touches one slot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storescope.backends._redis._scripts import PLACE, load

if TYPE_CHECKING:
    from storescope.backends._redis._connection import Client

_FOLDER = Path(__file__).parent


class SlotScripts:
    """All of them."""

    def __init__(self, client: Client) -> None:
        self.act = load(client, _FOLDER, "act", PLACE)
        self.arrive = load(client, _FOLDER, "arrive")
        self.settle = load(client, _FOLDER, "settle", PLACE)
        self.point = load(client, _FOLDER, "point")
        self.compact = load(client, _FOLDER, "compact")
