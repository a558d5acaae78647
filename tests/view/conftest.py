"""A viewer that runs, for each test its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope.apps.view import Options, Viewer

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def viewer() -> Generator[Viewer]:
    with Viewer(0, Options()).start() as running:
        yield running
