"""What travels between an agent and a bridge: media types, headers, limits, and JSON without loss.

Between two storescopes the texts are those of `_codec.py`, under a media type of their own: one leading space
marks a text in which each half of a surrogate pair is escaped by itself. To others the same bytes are plain JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn
from urllib.parse import quote, unquote

import orjson

from storescope import InvalidRecordError
from storescope.backends._codec import decode

JSON = "application/json"
EXACT = "application/vnd.storescope+json"
PROBLEM = "application/problem+json"

STORAGE_PATH = "/v1/storage"
INFO_PATH = "/v1/info"

TENANT = "storescope-tenant"
ACTOR = "storescope-actor"
REGION = "storescope-region"
CALL_ID = "storescope-call-id"
ATTEMPT = "storescope-attempt"

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Of one request, as DESIGN 6 has it."""

_LONG_NUMBER = re.compile(rb"[0-9]{19}")  # orjson would turn an integer over 64 bits into a float


def read_json(body: bytes, *, exact: bool) -> Any:
    """Parse a body.

    Args:
        body: The text.
        exact: Whether it came as `EXACT`.

    Raises:
        InvalidRecordError: If it is not JSON, or nested too deeply to be read.
    """
    try:
        if exact:
            return decode(body) if body else _refuse()
        return _read_slowly(body) if _LONG_NUMBER.search(body) else _read_fast(body)
    except ValueError:  # half a surrogate pair and an integer that is too long among them
        raise InvalidRecordError("the body is not JSON") from None
    except RecursionError:
        raise InvalidRecordError("the body is nested too deeply") from None


def _read_fast(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # it may hold half a surrogate pair, which the slow path takes
        return _read_slowly(body)


def _read_slowly(body: bytes) -> Any:
    return json.loads(body.decode(), parse_constant=_refuse)


def _refuse(_: str = "") -> NoReturn:
    raise ValueError


def to_header(text: str, what: str) -> str:
    """Return a text as a header's value: percent-encoded UTF-8.

    Raises:
        InvalidRecordError: If it holds half a surrogate pair.
    """
    try:
        return quote(text, safe="/:@")
    except UnicodeEncodeError:
        raise InvalidRecordError(f"{what} holds a lone surrogate, which is not UTF-8") from None


def from_header(value: str) -> str:
    """Return what `to_header` was given.

    Raises:
        ValueError: If it is not percent-encoded UTF-8.
    """
    return unquote(value, errors="strict")
