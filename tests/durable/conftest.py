"""The engines' servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.durable.temporal_server import TemporalServer

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[TemporalServer]:
    """One Temporal server for the whole session."""
    server = TemporalServer(tmp_path_factory.mktemp("temporal")).start()
    yield server
    server.kill()
