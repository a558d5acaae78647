"""One suite of cases for every handler map: the shipped backends, bare and wrapped, and your own.

```python
from storescope.conformance import Reopen, Subject, run

results = await run(Subject(handlers, reopen=Reopen("my_module:open_handlers")))
```

Core cases hold for any map. The promises are what the shipped backends add; a map of your own may lack some.
`storescope conformance my_module:open_handlers` does the same from the command line, `ConformanceTests` under
pytest; `dry_run` only reads what is there.
"""

from storescope.conformance._case import Case, Reopen, Result, Subject
from storescope.conformance._cases import CASES
from storescope.conformance._dry_run import dry_run
from storescope.conformance._findings import DryRun, Finding
from storescope.conformance._pytest import ConformanceTests
from storescope.conformance._run import run_all, run_case
from storescope.conformance._target import TargetError

__all__ = [
    "CASES",
    "Case",
    "ConformanceTests",
    "DryRun",
    "Finding",
    "Reopen",
    "Result",
    "Subject",
    "TargetError",
    "dry_run",
    "run",
    "run_case",
]


async def run(subject: Subject, cases: tuple[Case, ...] = CASES, *, at_once: int = 4) -> list[Result]:
    """Run cases against a handler map. They use fresh ids, so that the store may hold data.

    Args:
        subject: What is tried.
        cases: Which ones.
        at_once: How many cases run side by side.

    Returns:
        One result for each case, in the order of `cases`.
    """
    return await run_all(subject, cases, at_once=at_once)
