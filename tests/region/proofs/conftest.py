"""The folder that a test moves a session in: made once, and copied."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.region.proofs.regions import make, move

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def made_moved_folder(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moved") / "folder"
    shutil.copytree(made_folder, folder)
    assert move(folder).code == 0
    return folder


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    """A folder with the session in the EU."""
    return shutil.copytree(made_folder, tmp_path / "folder")


@pytest.fixture
def moved_folder(made_moved_folder: Path, tmp_path: Path) -> Path:
    """One in which it was moved to the US."""
    return shutil.copytree(made_moved_folder, tmp_path / "moved")
