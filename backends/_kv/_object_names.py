"""Keys as names of objects that every S3 server takes, in the same order.

Letters but `z`, digits and `-` stay. Every other byte is written as two hex digits behind one of `( . = _ z`, the
one that lies in the order of bytes where it does. `!` ends a name, and comes before all of these: so the order of
names is the order of keys, and no name that has no `!` at its end is a key's. A name has no `/`: all objects of a
prefix lie in one folder, as servers that keep real folders list them in another order.
"""

from __future__ import annotations

from storescope import InvalidRecordError

_END = "!"
_MOST = 1024  # bytes, of a name: S3's limit
_MARKS = ((0x2C, "("), (0x2F, "."), (0x40, "="), (0x60, "_"), (0xFF, "z"))
_KEPT = frozenset(b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxy")


def _code(byte: int) -> str:
    if byte in _KEPT:
        return chr(byte)
    return next(mark for last, mark in _MARKS if byte <= last) + f"{byte:02X}"


_CODES = [_code(byte) for byte in range(256)]
_IS_MARK = frozenset(mark for _, mark in _MARKS)


def start_of(prefix: str) -> str:
    """Return what the names of all keys that begin with `prefix` begin with."""
    return "".join([_CODES[byte] for byte in prefix.encode()])


def name_of(key: str) -> str:
    """Return a key's name.

    Raises:
        InvalidRecordError: If it would be too long.
    """
    name = start_of(key) + _END
    if len(name) > _MOST:
        raise InvalidRecordError(
            f"the key is too long for an object store: its name has {len(name)} of {_MOST} bytes"
        )
    return name


def key_of(name: str) -> str | None:
    """Return the key that a name stands for; None if it is no key's."""
    if not name.endswith(_END):
        return None
    key = bytearray()
    place = 0
    while place < len(name) - 1:
        if name[place] in _IS_MARK:
            key.append(int(name[place + 1 : place + 3], 16))
            place += 3
        else:
            key.append(ord(name[place]))
            place += 1
    return key.decode()
