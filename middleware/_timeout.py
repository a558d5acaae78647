"""A limit on how long a call may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from storescope.errors import StorageTimeoutError, WrapError

if TYPE_CHECKING:
    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation


class Timeout:
    """The layer that `timeout` makes."""

    layer = "timeout"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that gives up after the limit."""
        del backend
        seconds = self.seconds

        async def step(call: Call) -> Any:
            deadline = asyncio.timeout(seconds)
            call.deadline = deadline  # layers inside see a cancellation, and must know that it is ours
            try:
                async with deadline:
                    return await next_step(call)
            except TimeoutError:
                if not deadline.expired():
                    raise  # the handler's own
                raise StorageTimeoutError(operation.name, seconds) from None

        return step


def timeout(seconds: float) -> Timeout:
    """Give up a call that takes too long.

    The call is cancelled and ends in `StorageTimeoutError`, an `error` that spends error budget. A write that was
    under way may have been applied.

    Args:
        seconds: The limit, in seconds, greater than 0.

    Returns:
        A middleware. Layers outside it and inside it record the call as an `error`.

    Raises:
        WrapError: If `seconds` is not greater than 0.
    """
    if not seconds > 0:
        raise WrapError(f"timeout: seconds must be greater than 0, not {seconds!r}")
    return Timeout(seconds)
