"""The region guard: policy, decisions, and the layer that enforces them."""

from storescope.middleware._region._decision import Decision, Fact
from storescope.middleware._region._file import PolicyFile
from storescope.middleware._region._guard import region_guard
from storescope.middleware._region._moving._move import MoveRefusedError
from storescope.middleware._region._moving._session import move_session
from storescope.middleware._region._pins._registry import PinRegistry
from storescope.middleware._region._policy import ResidencyPolicy
from storescope.middleware._region._routing import route_by_region

__all__ = [
    "Decision",
    "Fact",
    "MoveRefusedError",
    "PinRegistry",
    "PolicyFile",
    "ResidencyPolicy",
    "move_session",
    "region_guard",
    "route_by_region",
]
