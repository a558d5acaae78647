"""The policy of most tests: acme's data stays in one region."""

from __future__ import annotations

from storescope.middleware import ResidencyPolicy

REGION, FORBIDDEN = "aws:eu-west-1", "aws:us-east-1"
EU_ONLY = ResidencyPolicy.from_dict(
    {
        "schema": "residency/1",
        "version": "1",
        "mode": "enforce",
        "min_confidence": "declared",
        "regions": {"eu": [REGION]},
        "tenants": {"acme": "eu-only"},
        "rules": {"eu-only": {"store": ["eu"], "access": ["eu"], "home": REGION}},
    }
)
