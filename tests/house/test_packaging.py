"""The wheel holds everything, and everything in it imports from there."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[2]
TOP = ("storescope", "apps", "backends", "dashboards", "middleware")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def folders_with_code() -> set[str]:
    """Return every package by its name, from the folders that hold Python files."""
    found: set[str] = set()
    for top in TOP:
        for path in (ROOT / top).rglob("*.py"):
            parts = path.parent.relative_to(ROOT).parts
            is_link = len(parts) > 1 and parts[0] == "storescope" and parts[1] in TOP
            if not is_link:
                found.add(".".join(parts if top == "storescope" else ("storescope", *parts)))
    return found


def test_every_package_is_listed() -> None:
    assert set(project()["tool"]["setuptools"]["packages"]) == folders_with_code()


def test_the_links_for_type_checkers_lead_to_the_code() -> None:
    for top in TOP[1:]:
        assert (ROOT / "storescope" / top).resolve() == ROOT / top


def test_the_wheel_imports_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = (
        "import importlib, pathlib, sys\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "for path in sorted(root.rglob('*.py')):\n"
        "    parts = path.relative_to(root).with_suffix('').parts\n"
        "    name = '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)\n"
        "    module = importlib.import_module(name)\n"
        "    assert pathlib.Path(module.__file__) == path, (module.__file__, path)\n"
        "    print(name)\n"
    )
    installed = str(tmp_path / "installed")
    # -I leaves out the folder that we are in, -S the editable install of this tree; dependencies are named.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    program = f"import sys; sys.path[:0] = [{installed!r}, {site!r}]\n{code}"
    command = [sys.executable, "-I", "-S", "-c", program, installed]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert folders_with_code() <= set(done.stdout.split())


def test_the_wheel_holds_the_files_that_are_no_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "storescope/py.typed" in names
    assert "storescope/dashboards/grafana/storage-traffic.json" in names
    shipped = {path for kind in ("*.json", "*.yaml", "Dockerfile") for path in (ROOT / "dashboards").rglob(kind)}
    assert {f"storescope/{path.relative_to(ROOT)}" for path in shipped} <= names
    scripts = {f"storescope/backends/_redis/{path.name}" for path in (ROOT / "backends/_redis").glob("*.lua")}
    assert scripts
    page = {f"storescope/apps/view/static/{path.name}" for path in (ROOT / "apps/view/static").iterdir()}
    assert {"index.html", "app.js", "app.css", "uplot.min.js", "uplot.LICENSE.txt"} <= {
        Path(name).name for name in page
    }
    assert page <= names
    assert scripts <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "examples/"))]
