"""The benchmarks of the viewer run, and what they send is stored and found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import view_ingest, view_search
from benchmarks._viewer import requests, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unmeasured


async def test_ingest_runs(tmp_path: Path) -> None:
    result = await view_ingest.run(tmp_path, spans=5_000)
    assert [row.most for row in result.rows] == [200, 200, 200]
    assert all(row.value > 0 for row in result.rows)


async def test_searches_run(tmp_path: Path) -> None:
    result = await view_search.run(tmp_path, spans=5_000)
    assert {row.name for row in result.rows} >= {"the list", *view_search.SEARCHES}


def test_every_search_finds_what_its_name_says(tmp_path: Path) -> None:
    with running(tmp_path) as viewer:
        for body in requests(60_000):
            viewer.post(body)
        found = {
            name: len(viewer.get("/api/traces", **query)[0]["traces"])
            for name, query in view_search.SEARCHES.items()
        }
    assert found == {
        "free text that many spans hold": 100,
        "free text that few spans hold": 5,
        "free text that no span holds": 0,
        "outcome and operation": 4,
        "tenant, slow, free text": found["tenant, slow, free text"],
        "everything, and nothing fits": 0,
        "a session": 5,
    }
    assert 0 < found["tenant, slow, free text"] <= 100
