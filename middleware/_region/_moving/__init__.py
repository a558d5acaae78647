"""Moving a session from one region to another, with a proof."""
