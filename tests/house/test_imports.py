"""Imports point one way, down: apps, dashboards, middleware, backends, core, the standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = "storescope"
# What each package may import of the others, besides itself and the core.
MAY_IMPORT = {
    "backends": set[str](),
    "middleware": set[str](),
    "dashboards": {"middleware"},
    "apps": {"backends", "middleware", "dashboards"},
}


def imports_of(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def packages_of(path: Path) -> set[str]:
    """Return which of our packages a file imports."""
    ours = (module.split(".") for module in imports_of(path) if module.split(".")[0] == CORE)
    return {parts[1] for parts in ours if len(parts) > 1} & set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_package_reaches_up_or_aside(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert packages_of(path) <= MAY_IMPORT[package] | {package}, path


def core_files() -> list[Path]:
    links = {ROOT / CORE / package for package in MAY_IMPORT}
    return [path for path in (ROOT / CORE).rglob("*.py") if not links & set(path.parents)]


def test_the_core_imports_the_standard_library_alone() -> None:
    for path in core_files():
        assert not packages_of(path), path
        roots = {module.split(".")[0] for module in imports_of(path)}
        assert roots <= sys.stdlib_module_names | {CORE, "__future__"}, path


def test_importing_the_core_loads_nothing_else(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); import storescope; print('\\n'.join(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    roots = {name.split(".")[0] for name in done.stdout.split()}
    assert roots <= sys.stdlib_module_names | {CORE}


def test_dashboards_take_only_the_definitions_from_the_middleware() -> None:
    allowed = {"storescope.middleware._definitions", "storescope.middleware"}
    for path in (ROOT / "dashboards").rglob("*.py"):
        theirs = {module for module in imports_of(path) if module.startswith("storescope.middleware")}
        assert all(any(module == name or module.startswith(f"{name}.") for name in allowed) for module in theirs)
        assert all("_definitions" in module or module == "storescope.middleware" for module in theirs), path
