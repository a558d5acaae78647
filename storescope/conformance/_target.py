"""From a name, `module:name` or `path/to/file.py:name`, to an open handler map."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.compose import wrap
from storescope.contract import Handlers
from storescope.errors import StorageError, UnsupportedOperationError, WrapError

if TYPE_CHECKING:
    from types import ModuleType

Opened: TypeAlias = Handlers | Awaitable[Handlers] | AbstractAsyncContextManager[Handlers]
"""What gives a handler map: the map itself, an awaitable of one, or an async context manager that yields one."""

_LONGEST_TOLD = 500


class TargetError(StorageError):
    """What should be a handler map cannot be loaded or opened, or is none."""


def load_target(target: str) -> Any:
    """Return what `target` names. What its module raises passes through.

    Raises:
        ImportError: If there is no such module or file.
        AttributeError: If it has nothing of that name.
        ValueError: If `target` has not the form `module:name`.
    """
    module, colon, name = target.rpartition(":")
    if not (colon and module and name):
        raise ValueError(f"{target!r} is not of the form module:name or file.py:name")
    found: Any = _load_file(Path(module)) if module.endswith(".py") else import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _load_file(path: Path) -> ModuleType:
    # A name of its own: a file `json.py` must not stand in for the module that others import.
    spec = spec_from_file_location(f"_target_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # data classes, among others, look their module up
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def opened(found: Any, *args: Any) -> AsyncGenerator[Handlers]:
    """Yield the handler map that `found` is, or that it gives when it is called. What it raises passes through.

    Args:
        found: An `Opened`, or a function that returns one.
        *args: The function's arguments.

    Raises:
        TargetError: If it is no handler map, or one that `wrap` would refuse.
    """
    made: Any = found
    # What `asynccontextmanager` made can be called too, but it is a decorator then.
    if callable(made) and not isinstance(made, Mapping | Awaitable | AbstractAsyncContextManager):
        made = made(*args)
    handlers: Any = made
    async with AsyncExitStack() as stack:
        if isinstance(made, AbstractAsyncContextManager):
            handlers = await stack.enter_async_context(made)
        elif isinstance(made, Awaitable):
            handlers = await made
            if hasattr(handlers, "aclose"):
                await stack.enter_async_context(aclosing(handlers))
        _check(handlers)
        yield handlers


def _check(handlers: Any) -> None:
    """Refuse what no case could be tried on: every one would be not applicable, which reads like a pass."""
    if not isinstance(handlers, Mapping):
        raise TargetError(f"it is no handler map, but of type {type(handlers).__name__}")
    if not handlers:
        raise TargetError("it is a handler map without a handler")
    try:
        wrap(handlers)
    except (UnsupportedOperationError, WrapError) as error:
        raise TargetError(f"it is no handler map: {error}") from None


def find_target(target: str) -> Any:
    """Return what `target` names, for a command that shows no traceback.

    Raises:
        TargetError: Whatever goes wrong, in one line.
    """
    try:
        return load_target(target)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may do anything when it is imported, sys.exit() for one
        raise TargetError(f"{target} cannot be loaded: {told(error)}") from None


@asynccontextmanager
async def open_target(target: str, found: Any) -> AsyncGenerator[Handlers]:
    """Yield the handler map that `found` gives, for a command that shows no traceback.

    Raises:
        TargetError: If it cannot be opened or closed, or is no handler map; in one line that names `target`.
    """
    stack = AsyncExitStack()
    with _in_one_line(target, "cannot be opened"):
        handlers = await stack.enter_async_context(opened(found))
    try:
        yield handlers
    finally:
        with _in_one_line(target, "cannot be closed"):
            await stack.aclose()


@contextmanager
def _in_one_line(target: str, what: str) -> Generator[None]:
    try:
        yield
    except TargetError as error:
        raise TargetError(f"{target}: {error}") from None
    except BaseException as error:  # it is the user's function that runs here
        task = asyncio.current_task()
        if isinstance(error, KeyboardInterrupt) or (task is not None and task.cancelling()):
            raise
        raise TargetError(f"{target} {what}: {told(error)}") from None


def told(error: BaseException) -> str:
    """Return an exception's class and text as one line."""
    text = " ".join(str(error).split())[:_LONGEST_TOLD]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
