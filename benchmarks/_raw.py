"""What the backends are compared with: the same work, written by hand on the raw client, for this one purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks._rounds import Work
    from storescope import Handler

_TEXT = "The agent read the file, found the failing assertion and proposes to change the comparison. " * 8


def session(id_: str) -> dict[str, Any]:
    """Return a session of about 1 KB."""
    return {
        "id": id_,
        "sandboxId": "sandbox-0123456789",
        "lastMessageId": "message-0123456789",
        "createdAt": 1_795_390_608_123,
        "updatedAt": 1_795_390_618_123,
        "model": "large-2026-11",
        "usage": {"inputTokens": 18_231, "outputTokens": 1_204, "cost": 0.0731},
        "summary": _TEXT,
    }


def message(id_: str, session_id: str) -> dict[str, Any]:
    """Return a message of about 1 KB."""
    return {
        "id": id_,
        "sessionId": session_id,
        "role": "assistant",
        "createdAt": 1_795_390_608_123,
        "model": "large-2026-11",
        "usage": {"inputTokens": 18_231, "outputTokens": 1_204, "cost": 0.0731},
        "content": [{"type": "text", "text": _TEXT}, {"type": "tool", "name": "read_file", "ok": True}],
    }


UPDATES: dict[str, Any] = {"updatedAt": 1_795_390_628_456, "lastMessageId": "message-9876543210"}
"""What an update of either merges in."""


class Raw(Protocol):
    """One store by its raw client. It reads and writes what the backend's own handlers do, in the same place.

    What all of them leave out, and the backend does: checks of the arguments and of the record (that it comes
    back equal, that the store can hold it), time-outs, the limit on connections where the driver has none that
    is as fast, the driver's errors as ours, tenants, counts of connections and retries.
    """

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """Return a session."""
        ...

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """Insert or replace a session."""
        ...

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """Merge into a session, atomically, and return it."""
        ...

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """Return a message."""
        ...

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """Insert or replace a message."""
        ...

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """Merge into a message, atomically, and return it."""
        ...

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """Return a session's messages in order."""
        ...

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Insert many new messages, the quickest way there is."""
        ...


async def same_calls(backend: Mapping[str, Handler], raw: Raw, *, listed: int) -> dict[str, tuple[Work, Work]]:
    """Prepare both sides, each with records of its own, and return each operation as raw and as ours."""
    for side in ("raw", "ours"):
        await backend["session.set"](id=side, value=session(side))
        await backend["message.set"](id=side, value=message(side, side))
        await raw.fill([message(f"{side}-{number}", f"{side}-list") for number in range(listed)])
    of_raw, of_ours = (session(side) for side in ("raw", "ours"))
    in_raw, in_ours = (message(side, side) for side in ("raw", "ours"))
    return {
        "session.get": (lambda: raw.get_session("raw"), lambda: backend["session.get"](id="ours")),
        "session.set": (
            lambda: raw.set_session("raw", of_raw),
            lambda: backend["session.set"](id="ours", value=of_ours),
        ),
        "session.update": (
            lambda: raw.update_session("raw", UPDATES),
            lambda: backend["session.update"](id="ours", updates=UPDATES),
        ),
        "message.get": (lambda: raw.get_message("raw"), lambda: backend["message.get"](id="ours")),
        "message.set": (
            lambda: raw.set_message("raw", in_raw),
            lambda: backend["message.set"](id="ours", value=in_ours),
        ),
        "message.update": (
            lambda: raw.update_message("raw", UPDATES),
            lambda: backend["message.update"](id="ours", updates=UPDATES),
        ),
        "message.listBySession": (
            lambda: raw.list_messages("raw-list"),
            lambda: backend["message.listBySession"](session_id="ours-list"),
        ),
    }
