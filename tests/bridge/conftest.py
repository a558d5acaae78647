"""Fixtures of the bridge's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bridge.typescript import compile_package

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled TypeScript package."""
    return compile_package(tmp_path_factory.mktemp("package"))
