"""One suite of cases for every handler map: the shipped backends, bare and wrapped, and your own.

```python
from storescope.conformance import Reopen, Subject, run

results = await run(Subject(handlers, reopen=Reopen("my_module:open_handlers")))
```

Core cases hold for any map. The promises are what the shipped backends add; a map of your own may lack some.
"""

from storescope.conformance import (
    _cancelled,
    _concurrency,
    _ids,
    _lists,
    _moves,
    _processes,
    _records,
    _refusals,
    _updates,
    _values,
)
from storescope.conformance._case import Case, Reopen, Result, Subject
from storescope.conformance._run import run_all, run_case

__all__ = ["CASES", "Case", "Reopen", "Result", "Subject", "run", "run_case"]

CASES: tuple[Case, ...] = (
    *_records.theme.cases,
    *_updates.theme.cases,
    *_lists.theme.cases,
    *_moves.theme.cases,
    *_refusals.theme.cases,
    *_concurrency.theme.cases,
    *_cancelled.theme.cases,
    *_values.theme.cases,
    *_ids.theme.cases,
    *_processes.theme.cases,
)
"""Every case, the core ones and the promises, by theme."""


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
