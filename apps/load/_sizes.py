"""How large what an agent stores is: log-normal, as the lengths of messages, files and outputs are.

Each distribution is given by its median and its 99th percentile, in bytes.

- What people type, and what a model answers: the means, 275 and 885 bytes, are close to those of LMSYS-Chat-1M
  (arXiv 2309.11998, table 1: 69.5 tokens a prompt, 214.5 an answer), at some 4 bytes a token.
- What tools return is larger: files above all. Of the 3,000 Python files in a virtual environment of ours half
  are over 5 kB and a tenth over 36 kB; listings, and commands that say little, bring the median down. Agents cut
  what is too long, opencode at 50 KiB, and so does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from random import Random

_Z99 = 2.3263  # the standard normal distribution's 99th percentile

MARKER = "storescope-load-content"
"""What every text begins with: whoever finds it in telemetry has found a leak."""

_WORDS = (
    "the",
    "file",
    "a",
    "test",
    "of",
    "store",
    "read",
    "value",
    "and",
    "key",
    "call",
    "error",
    "line",
    "agent",
)
_BLOCK = 128 * 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """A log-normal distribution of sizes.

    Attributes:
        median: Half of them are smaller, in bytes.
        p99: One in a hundred is larger, in bytes.
        most: What is larger is cut to this, in bytes.
    """

    median: float
    p99: float
    most: int

    def draw(self, random: Random) -> int:
        """Return one size, in bytes."""
        sigma = log(self.p99 / self.median) / _Z99
        return min(self.most, max(1, round(random.lognormvariate(log(self.median), sigma))))


PROMPT = Sizes(median=120, p99=2_400, most=51_200)
ANSWER = Sizes(median=500, p99=6_000, most=51_200)
TOOL_OUTPUT = Sizes(median=2_000, p99=51_200, most=51_200)


class Texts:
    """Cuts texts out of one block of words, which costs next to nothing at any size."""

    def __init__(self) -> None:
        random = Random(0)  # noqa: S311 (words, not secrets); the same block whatever the seed
        self._block = " ".join(random.choices(_WORDS, k=_BLOCK // 2))[:_BLOCK]

    def draw(self, random: Random, sizes: Sizes) -> str:
        """Return a text of a size that is drawn; it begins with `MARKER` if there is room for it."""
        size = sizes.draw(random)
        start = random.randrange(_BLOCK - size)
        return f"{MARKER} {self._block[start : start + size]}"[:size]
