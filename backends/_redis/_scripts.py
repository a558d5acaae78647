"""The Lua scripts beside this file. A script runs by itself on the server: nothing comes between its steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.asyncio import Redis

_FOLDER = Path(__file__).parent
_PLACE = (_FOLDER / "place.lua").read_text()


class Scripts:
    """Each is sent by its digest, and whole to a server that does not know it (any more)."""

    def __init__(self, client: Redis) -> None:
        self.set_fields = _load(client, "set_fields")
        self.update_fields = _load(client, "update_fields")
        self.get_in_session = _load(client, "get_in_session", _PLACE)
        self.set_in_session = _load(client, "set_in_session", _PLACE)
        self.update_in_session = _load(client, "update_in_session", _PLACE)
        self.purge_in_session = _load(client, "purge_in_session", _PLACE)
        self.compact = _load(client, "compact", _PLACE)


def _load(client: Redis, name: str, shared: str = "") -> Any:
    return client.register_script(shared + (_FOLDER / f"{name}.lua").read_text())
