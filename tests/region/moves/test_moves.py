"""No schedule of calls, moves, faults, crashes and changes of policy breaks what pins promise."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from tests.region.moves.plan import Plan, plans
from tests.region.moves.world import simulate
from tests.rounds import LONG


@settings(
    max_examples=200 if LONG else 60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(plans)
def test_sessions_stay_whole_and_where_they_may_be(plan: Plan) -> None:
    simulate(plan)
