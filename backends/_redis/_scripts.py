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
PLACE = (_FOLDER / "place.lua").read_text()


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
    """Those of one server."""

    def __init__(self, client: Client) -> None:
        self.get_in_session = load(client, _FOLDER, "get_in_session", PLACE)
        self.set_in_session = load(client, _FOLDER, "set_in_session", PLACE)
        self.update_in_session = load(client, _FOLDER, "update_in_session", PLACE)
        self.purge_in_session = load(client, _FOLDER, "purge_in_session", PLACE)
        self.compact = load(client, _FOLDER, "compact", PLACE)


class FieldScripts:
    """Those of records that are one hash each, on one server or in a cluster."""

    def __init__(self, client: Client) -> None:
        self.set_fields = load(client, _FOLDER, "set_fields")
        self.update_fields = load(client, _FOLDER, "update_fields")


def load(client: Client, folder: Path, name: str, shared: str = "") -> Script:
    """Return the script in `folder`, with what it shares with others put in front."""
    return Script(client, shared + (folder / f"{name}.lua").read_text())
