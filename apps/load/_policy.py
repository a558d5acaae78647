"""The policy of a load: one rule that is enforced, one that is only monitored, one with an exception in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from storescope.contract import OPERATIONS
from storescope.middleware._region._instants import text_of

if TYPE_CHECKING:
    from pathlib import Path

RESIDENT, MONITORED, EXCEPTED = "load-resident", "load-monitored", "load-excepted"
UNLISTED = "load-unlisted"
"""A tenant that the policy does not name."""

DEFAULT_REGION = "aws:eu-west-1"
_ABROAD = ("aws:us-east-1", "aws:ap-southeast-2")
_DAY = 86_400.0

READS = tuple(name for name, operation in OPERATIONS.items() if not operation.writes)

_POLICY = """\
# The policy of `storescope load`: data rests at home. Two tenants are also called from abroad.
schema = "residency/1"
version = "load"
mode = "enforce"
min_confidence = "declared"

[regions]
home = [{home}]
abroad = [{abroad}]

[tenants]
load-resident = "resident"
load-monitored = "monitored"
load-excepted = "excepted"

[rules.resident]
store = ["home"]
access = ["home"]
home = {home}

[rules.monitored]
store = ["home"]
access = ["home"]
home = {home}
mode = "monitor"

[rules.excepted]
store = ["home"]
access = ["home"]
home = {home}

[[exceptions]]
id = "load-support-desk"
rule = "excepted"
operations = {reads}
access = ["abroad"]
reason = "the support desk abroad reads sessions while storescope load runs"
approved_by = ["storescope load", "whoever started it"]
expires = {expires}
"""


def abroad_of(region: str) -> str:
    """Return a region that is not this one."""
    return next(other for other in _ABROAD if other != region)


def write_policy(path: Path, region: str, now: float) -> None:
    """Write the policy for a backend in `region`; its exception holds for a day.

    Args:
        path: Where.
        region: Where the backend's data rests.
        now: The time, in seconds since 1970.

    Raises:
        OSError: If it cannot be written.
    """
    text = _POLICY.format(
        home=json.dumps(region),
        abroad=json.dumps(abroad_of(region)),
        reads=json.dumps(READS),
        expires=text_of(float(int(now + _DAY))),
    )
    path.write_text(text, encoding="utf-8")
