"""Ids and tenants that a store might mix up: separators, wildcards, escapes, look-alikes, one within another."""

from __future__ import annotations

from hypothesis import strategies as st

SEPARATORS = (":", "::", "/", "|", " ", "\n", "1 a", "\x7f", "\x01", "message", "messages:", "session:")
WILDCARDS_AND_ESCAPES = ("*", "?", "[a-z]", "_", "%", "%3A", "\\", "'", '"', "$1", "--")
LOOK_ALIKES = ("a", "A", "b", "1", "é", "e\u0301", "а", "ａ", "：", "K", "ß", "ss", "İ", "i", "\u200b", "𝒂")  # noqa: RUF001 (on purpose)
PIECES = SEPARATORS + WILDCARDS_AND_ESCAPES + LOOK_ALIKES
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
MAX_BYTES = 256


def longest(name: str) -> str:
    """Make a name as long as it may be: two of them differ in their last characters alone."""
    return "x" * (MAX_BYTES - len(name.encode())) + name


@st.composite
def names(draw: st.DrawFn, most: int) -> list[str]:
    """Return some names, of which one begins with another as often as not."""
    name = st.one_of(HOSTILE, HOSTILE.map(longest))
    drawn = draw(st.lists(name, min_size=2, max_size=most, unique=True))
    longer = drawn[0] + draw(st.sampled_from(PIECES))
    return drawn if longer in drawn or len(longer.encode()) > MAX_BYTES else [*drawn, longer]
