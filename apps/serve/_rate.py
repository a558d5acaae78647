"""How many calls a second each token may make: a token bucket that holds one second's worth."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from storescope.apps.serve._refusal import Refusal

if TYPE_CHECKING:
    from storescope.apps.serve._tokens import Grant


class RateLimits:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, and when that was so

    def spend(self, grant: Grant, calls: int) -> None:
        """Take calls out of a token's bucket.

        A batch of more calls than the bucket holds waits until it is full, and leaves it in debt.

        Raises:
            Refusal: If there is not enough in it; `Retry-After` says when there will be.
        """
        if grant.rate is None:
            return
        now = time.monotonic()
        most = max(grant.rate, 1.0)
        left, when = self._buckets.get(grant.name, (most, now))
        left = min(most, left + (now - when) * grant.rate)
        missing = min(calls, most) - left
        if missing > 0:
            seconds = math.ceil(missing / grant.rate)
            raise Refusal(
                "rate-limit",
                f"this token or certificate may make {grant.rate:g} calls a second",
                {"retry-after": str(max(seconds, 1))},
            )
        self._buckets[grant.name] = (left - calls, now)
