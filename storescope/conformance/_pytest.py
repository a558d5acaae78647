"""The suite as a base class for pytest. It imports neither pytest nor a plugin of it."""

from __future__ import annotations

import asyncio
import unittest
from typing import TYPE_CHECKING, Any

from storescope.conformance._case import Case, Reopen, Subject
from storescope.conformance._cases import CASES
from storescope.conformance._run import run_case
from storescope.conformance._target import opened

if TYPE_CHECKING:
    from storescope.conformance._case import Result
    from storescope.conformance._target import Opened


class ConformanceTests:
    """The suite as pytest runs it, one test for each case. Derive a class from it whose name begins with `Test`.

    ```python
    class TestMyHandlers(ConformanceTests):
        def open(self):
            return make_my_handlers()
    ```

    Each test opens the map anew, in an event loop of its own, so that none depends on another.

    Attributes:
        promises: Whether the promises of the shipped backends are demanded too, not only the core.
        reopen: How another process opens the same store; without it, the cases of several processes are skipped.
    """

    promises: bool = False
    reopen: Reopen | None = None

    def open(self) -> Opened:
        """Return the map under test, an awaitable of it, or an async context manager that yields it.

        Override it, as a plain or an async method. A fixture may put on `self` what it needs.
        """
        raise NotImplementedError(f"{type(self).__name__} must define open(), which returns the handler map")

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make one test for each case. Called by pytest."""
        if "conformance_case" in metafunc.fixturenames:
            cases = [case for case in CASES if self.promises or case.kind == "core"]
            metafunc.parametrize("conformance_case", cases, ids=[case.name for case in cases])

    def test_conforms(self, conformance_case: Case) -> None:
        """Run one case. What cannot be tried on this map is skipped, with the reason."""
        __tracebackhide__ = True  # the reason says it all
        result = asyncio.run(self._run(conformance_case))
        if result.status == "not_applicable":
            raise unittest.SkipTest(result.why)
        if result.status == "fail":
            raise AssertionError(f"{result.why}\nprotects: {conformance_case.protects}")

    async def _run(self, case: Case) -> Result:
        async with opened(self.open()) as handlers:
            return await run_case(case, Subject(handlers, self.reopen))
