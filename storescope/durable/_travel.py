"""Exceptions as text and back, with their class and attributes, whatever their constructors want.

It is pickle underneath, held to what exceptions are made of: a log that somebody else can write to must not be
able to run code here. Reading one back imports nothing, and makes nothing but exceptions and storescope's values.
"""

from __future__ import annotations

import io
import pickle
import sys
from base64 import b64decode, b64encode
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from storescope.durable._errors import DurableError

_MODULES = sys.modules  # Temporal's sandbox puts another in its place while it runs workflows
_PLAIN = (str, int, float, bool, type(None), bytes)


def dump_error(error: Exception) -> str:
    """Return an exception as text.

    Arguments and attributes of it that would not come back are left out; its class never is.
    """
    args = tuple(arg for arg in error.args if _travels(arg))
    state = {name: value for name, value in vars(error).items() if _travels(value)}
    return _dump((type(error), args if len(args) == len(error.args) else (), state))


def load_error(text: str) -> Exception:
    """Return the exception that `dump_error` was given.

    Raises:
        DurableError: If it is not one, or its class is not there any more.
    """
    try:
        cls, args, state = _load(text)
        error: Exception = cls.__new__(cls)
        error.args = args
        if isinstance(error, ImportError):
            ImportError.__init__(error, *args)  # its `msg` is kept apart from its arguments
        error.__dict__.update(state)
    except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, EOFError, IndexError) as reason:
        raise DurableError(
            f"the log holds an error that cannot be made again ({type(reason).__name__}); "
            "its class must be where it was when the step ran, and be imported"
        ) from None
    return error


def _travels(value: Any) -> bool:
    if isinstance(value, _PLAIN):
        return True
    try:
        _load(_dump(value))
    except Exception:  # what a stranger's object raises when it is pickled can be anything
        return False
    return True


def _dump(value: Any) -> str:
    return b64encode(pickle.dumps(value)).decode()


def _load(text: str) -> Any:
    return _Reader(io.BytesIO(b64decode(text, validate=True))).load()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a class of exceptions that is loaded already, or of storescope's values."""
        found: Any = _MODULES.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and (issubclass(found, Exception) or _is_ours(module, found)):
            return found
        raise pickle.UnpicklingError


def _is_ours(module: str, cls: type) -> bool:
    return module.startswith("storescope.") and (is_dataclass(cls) or issubclass(cls, Enum | tuple))
