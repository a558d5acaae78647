"""Deliberate weakenings of the guard: each edits one function of the real code, and leaves the rest as it is."""

from __future__ import annotations
import __future__

import re
import sys
from dataclasses import dataclass
from inspect import getsource
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parents[3] / "docs" / "residency.md"
PACKAGE = "storescope.middleware._region"


@dataclass(frozen=True, slots=True)
class Weakening:
    """One edit.

    Attributes:
        says: What the weakened guard does, in words.
        owner: The class or module that has the function.
        function: The name of the function, or of the property.
        old: A text that stands in its source exactly once.
        new: What stands there instead.
        also: A further edit, without which this one would not be a weakening.
    """

    says: str
    owner: Any
    function: str
    old: str
    new: str
    also: Weakening | None = None

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Weaken the guard until the patch is undone."""
        real = getattr(self.owner, self.function)
        is_property = isinstance(real, property)
        made = self._weakened(real.fget if is_property else real)
        weakened = property(made) if is_property else made
        for holder, name in self._holders(real):
            patch.setattr(holder, name, weakened)
        if self.also is not None:
            self.also.apply(patch)

    def _weakened(self, real: Any) -> Any:
        source = dedent(getsource(real)).removeprefix("@property\n")
        if source.count(self.old) != 1:
            raise LookupError(
                f"{self.says}: {self.old!r} must stand once in {real.__qualname__}; edit the weakening"
            )
        code = compile(
            source.replace(self.old, self.new),
            f"<weakened {self.function}>",
            "exec",
            flags=__future__.annotations.compiler_flag,
            dont_inherit=True,
        )
        made: dict[str, Any] = {}
        exec(code, real.__globals__, made)
        return made[self.function]

    def _holders(self, real: Any) -> list[tuple[Any, str]]:
        """Return who has the function under which name: its owner, and modules that imported it."""
        if isinstance(self.owner, type):
            return [(self.owner, self.function)]
        modules = [module for name, module in sys.modules.items() if name.startswith(PACKAGE)]
        return [(module, name) for module in modules for name, value in vars(module).items() if value is real]


def documented(heading: str) -> list[str]:
    """Return the weakenings that the docs list under a heading, in order, with one number or more each."""
    section = DOCS.read_text().split(f"\n### {heading}\n")[1].split("\n##")[0]
    return re.findall(r"^\| (.+?) (?:\| \d+ )+\|$", section, re.MULTILINE)
