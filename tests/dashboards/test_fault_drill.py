"""Each fault, really caused, fires exactly the alerts that the runbooks say; a quiet stack fires none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboards.drill.faults import FAULTS
from tests.dashboards.drill.run import differences, drill, table, was_slow
from tests.dashboards.shipped import alerts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.unmeasured  # its dozen stacks, scraped every second, would take a core of their own
@pytest.mark.timeout(300)
async def test_each_fault_fires_exactly_its_alerts(tmp_path: Path) -> None:
    """All faults at once, each on a stack of its own, under one Prometheus.

    Then the test of the test: without any one of the rules, or with one that always fires, it would have failed.
    """
    expected = table()
    assert list(expected) == list(FAULTS)
    (tmp_path / "first").mkdir()
    fired = await drill(tmp_path / "first", expected)
    if was_slow(expected, fired):  # the machine was, and no stack is to blame
        (tmp_path / "again").mkdir()
        fired = await drill(tmp_path / "again", expected)
    assert differences(expected, fired) == []
    for alert in (rule["alert"] for rule in alerts()):
        without = {fault: names - {alert} for fault, names in fired.items()}
        assert differences(expected, without), f"no fault needs {alert}"
        always = {fault: fired.get(fault, set()) | {alert} for fault in expected}
        assert differences(expected, always)
