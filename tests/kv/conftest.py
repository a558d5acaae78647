"""An engine of each kind, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope.backends._kv._open_engine import open_engine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope.backends._kv._engine import KvEngine


@pytest.fixture
def engine_url(kv_backend_url: str) -> str:
    """The URL of an empty store, of each kind in turn, as `create_kv` takes it."""
    return kv_backend_url.removeprefix("kv+")


@pytest.fixture
async def engine(engine_url: str) -> AsyncGenerator[KvEngine, None]:
    opened = await open_engine(engine_url)
    yield opened
    await opened.aclose()
