"""A session's lines of which some have a mark: which of them are here, by their pointers."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from storescope.backends._redis._errors import DRIVER_ERRORS
from storescope.backends._redis_cluster._marks import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from storescope.backends._redis_cluster._marks import Pointer
    from storescope.backends._redis_cluster._places import Place

_FORGOTTEN = 60_000_000
"""Microseconds after which a record that never arrived is not waited for; who is slower puts it there again."""

_MARK = re.compile(rb"[?!]\d+")


async def settle_marks(
    lines: Mapping[bytes, bytes],
    session: str,
    place: Callable[[bytes], Place],
) -> list[bytes]:
    """Return the lines of records that are in this session, without marks; and end the marks that mean nothing.

    Args:
        lines: All lines of the session's hash, by id.
        session: The session.
        place: Returns the place of the record of an id.
    """
    here: list[bytes] = []
    for id_, line in lines.items():
        mark = Mark.of(line)
        if not mark.sign:
            here.append(line)
            continue
        found = place(id_)
        pointer = await found.pointer()
        stays = pointer is not None and pointer.session == session and pointer.version >= mark.version
        if stays:
            here.append(_MARK.sub(b"", line, count=1))
        if _is_over(mark, pointer, stays=stays):
            with suppress(*DRIVER_ERRORS):  # the list is right without
                await found.settle(session, mark, stays=stays)
    return here


def _is_over(mark: Mark, pointer: Pointer | None, *, stays: bool) -> bool:
    """Return whether whoever made the mark is done with it, or can do nothing more."""
    if pointer is None:  # a version begins as a time: it may be about to arrive, or was left behind long ago
        return mark.version < time.time_ns() // 1_000 - _FORGOTTEN
    if pointer.version < mark.version:
        return False
    return mark.sign == b"?" or pointer.version > mark.version or not stays
