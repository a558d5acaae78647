"""All connections of one client, which are given up together once one of them is found to lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storescope.reports import BackendReport


class Links:
    """All connections of one client.

    Attributes:
        report: Where they, and what is sent again, are counted.
        generation: Connections of an older one are not used again as they are.
    """

    def __init__(self, report: BackendReport) -> None:
        self.report = report
        self.generation = 0

    def renew(self, generation: int) -> None:
        """Trust none any more that is as old as one which failed. Of many that fail together, the first counts."""
        if generation == self.generation:
            self.generation += 1
