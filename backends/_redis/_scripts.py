"""The Lua scripts beside this file. A script runs by itself on the server: nothing comes between its steps."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.backends._redis._connection import Client

_FOLDER = Path(__file__).parent
_PLACE = (_FOLDER / "place.lua").read_text()


class Script:
    """A script, sent by its digest, and whole to a server that does not know it (any more).

    redis-py's own do the same, but import a module and look for a pipeline in each call.
    """

    def __init__(self, client: Client, text: str) -> None:
        self._client = client
        self._text = text
        self._digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: tuple[str, ...], args: Sequence[str | bytes]) -> Any:
        """Run it."""
        try:
            return await self._client.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:  # it has not run
            return await self._client.eval(self._text, len(keys), *keys, *args)


class Scripts:
    """All of them."""

    def __init__(self, client: Client) -> None:
        self.set_fields = _load(client, "set_fields")
        self.update_fields = _load(client, "update_fields")
        self.get_in_session = _load(client, "get_in_session", _PLACE)
        self.set_in_session = _load(client, "set_in_session", _PLACE)
        self.update_in_session = _load(client, "update_in_session", _PLACE)
        self.purge_in_session = _load(client, "purge_in_session", _PLACE)
        self.compact = _load(client, "compact", _PLACE)


def _load(client: Client, name: str, shared: str = "") -> Script:
    return Script(client, shared + (_FOLDER / f"{name}.lua").read_text())
