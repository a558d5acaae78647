"""The region guard: policy, decisions, and the layer that enforces them."""

from storescope.middleware._region._decision import Decision, Fact
from storescope.middleware._region._file import PolicyFile
from storescope.middleware._region._guard import region_guard
from storescope.middleware._region._policy import ResidencyPolicy

__all__ = ["Decision", "Fact", "PolicyFile", "ResidencyPolicy", "region_guard"]
