"""Finding a function by its name: `module:function`, or `path/to/file.py:function`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def load_target(target: str) -> Any:
    """Return what `target` names.

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
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
