"""An engine of each kind, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope.backends._kv._open_engine import open_engine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope.backends._kv._engine import KvEngine


@pytest.fixture(params=["local", "memory", "postgres", "redis", "s3"])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of each kind in turn, as `create_kv` takes it."""
    if request.param in {"postgres", "redis", "s3"}:
        url: str = request.getfixturevalue(f"{request.param}_url")
        return url
    return {"local": f"local:{tmp_path / 'store'}", "memory": "memory:"}[request.param]


@pytest.fixture
async def engine(engine_url: str) -> AsyncGenerator[KvEngine, None]:
    opened = await open_engine(engine_url)
    yield opened
    await opened.aclose()
