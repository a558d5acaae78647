"""The shape of what an agent stores. Each type allows more fields than it names: they are the agent's own."""

from __future__ import annotations

from typing import TypedDict


class Session(TypedDict, total=False):
    """One conversation of the agent."""

    id: str
    sandboxId: str | None
    lastMessageId: str | None
    createdAt: int | float | str
    updatedAt: int | float | str


class _InSession(TypedDict):
    sessionId: str


class Message(_InSession, total=False):
    """One message of a session."""

    id: str
    createdAt: int | float | str
    updatedAt: int | float | str


class Part(_InSession, total=False):
    """One part of a message: a text, a tool call, a file."""

    id: str
    messageId: str


class Sandbox(TypedDict, total=False):
    """Where a session's tools run."""

    id: str


class Setup(TypedDict, total=False):
    """A prepared sandbox image that sessions start from."""

    id: str
