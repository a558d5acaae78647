"""Ways to spoil the lines of a log."""

from __future__ import annotations

LINES = ("byte", "drop", "double", "swap", "insert", "cut", "take from another")


def change_lines(kind: str, content: bytes, other: bytes, at: int, junk: bytes) -> bytes:
    """Change one thing in a segment's content, with that of another and some junk at hand."""
    lines, theirs = content.splitlines(keepends=True), other.splitlines(keepends=True)
    if not lines or not theirs:
        return content
    one, two = at % len(lines), at // 7 % len(lines)
    if kind == "byte":
        where = at % len(content)
        return content[:where] + junk[:1] + content[where + 1 :]
    if kind == "cut":
        return content[: at % len(content)]
    if kind == "drop":
        del lines[one]
    elif kind == "double":
        lines.insert(two, lines[one])
    elif kind == "swap":
        lines[one], lines[two] = lines[two], lines[one]
    elif kind == "insert":
        lines.insert(one, junk.replace(b"\n", b" ") + b"\n")
    else:
        lines[one] = theirs[at // 7 % len(theirs)]
    return b"".join(lines)
