"""Imports point one way, down: apps, dashboards, middleware, backends, core, the standard library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = "storescope"
OPTIONAL = {
    *("aiobotocore", "asyncpg", "botocore", "dbos", "google", "grafana_foundation_sdk", "httpx", "obstore"),
    *("promql_parser", "pytest", "starlette", "temporalio", "uvicorn", "yaml"),
}
"""Packages that only an extra brings."""
MODULE = re.compile(r"storescope(\.[a-z_]+)+")
# What each package may import of the others, besides itself and the core.
MAY_IMPORT = {
    "backends": set[str](),
    "middleware": {"backends"},
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
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            found.add(node.module or "")
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A name for `import_module`: it is a dependency too, however late it is resolved.
            found |= {node.value} if MODULE.fullmatch(node.value) else set()
    return found


def packages_of(path: Path) -> set[str]:
    """Return which of our packages a file imports."""
    ours = (module.split(".") for module in imports_of(path) if module.split(".")[0] == CORE)
    return {parts[1] for parts in ours if len(parts) > 1} & set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_package_reaches_up_or_aside(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert packages_of(path) <= MAY_IMPORT[package] | {package}, path


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("import storescope.apps", {"apps"}),
        ("from storescope import apps", {"apps"}),
        ("def late():\n    from storescope.middleware._audit import audit", {"middleware"}),
        ("load('storescope.dashboards.rules')", {"dashboards"}),
        ("from storescope.errors import StorageError\n'storescope.audit of a sentence'", set[str]()),
    ],
)
def test_an_arrow_is_found_however_it_is_drawn(code: str, packages: set[str], tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(code)
    assert packages_of(tmp_path / "module.py") == packages


def test_a_relative_import_is_refused_because_it_hides_its_arrow(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("from ..middleware import metrics")
    with pytest.raises(AssertionError, match="imports relatively"):
        imports_of(tmp_path / "module.py")


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


def test_what_an_extra_brings_is_not_even_looked_for(tmp_path: Path) -> None:
    """A missing extra costs nothing: no import tries to find out whether it is there."""
    code = f"""
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL!r} or name.startswith("opentelemetry.exporter"):
            print(name)

sys.meta_path.insert(0, Watch())
import storescope.apps, storescope.backends, storescope.conformance, storescope.durable, storescope.middleware
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert not done.stdout


def test_dashboards_take_only_the_definitions_from_the_middleware() -> None:
    allowed = {"storescope.middleware._definitions", "storescope.middleware"}
    for path in (ROOT / "dashboards").rglob("*.py"):
        theirs = {module for module in imports_of(path) if module.startswith("storescope.middleware")}
        assert all(any(module == name or module.startswith(f"{name}.") for name in allowed) for module in theirs)
        assert all("_definitions" in module or module == "storescope.middleware" for module in theirs), path
