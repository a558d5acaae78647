"""The region guard: policy, decisions, and the layer that enforces them."""
