from __future__ import annotations

from typing import Any

import orjson
import pytest

from storescope import dashboards


@pytest.fixture(params=sorted(path.name for path in dashboards.GRAFANA.glob("*.json")))
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each committed dashboard in turn."""
    model: dict[str, Any] = orjson.loads((dashboards.GRAFANA / request.param).read_bytes())
    return model
