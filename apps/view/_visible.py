"""Shows what would not show, or would make other text show differently: controls and marks of direction."""

from __future__ import annotations

import re

# Controls, zero-width and direction marks, line separators, interlinear marks, lone surrogates.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return a text with each such character spelled out, `U+202E` in brackets."""
    return _HIDDEN.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text)
