"""Puts the report together: from what the sessions counted, what metrics say, and what the audit log holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from storescope.apps.load._faults import FAULTS
from storescope.apps.load._report import AuditReport, LoadReport, OperationReport
from storescope.contract import OPERATIONS
from storescope.middleware._audit._verify import verify
from storescope.middleware._definitions import DECISIONS, UPDATE_CONFLICTS
from storescope.outcome import OUTCOMES

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from storescope.apps.load._clock import Clock
    from storescope.apps.load._home import Home
    from storescope.apps.load._options import LoadOptions
    from storescope.apps.load._stack import Stack
    from storescope.apps.load._tally import OperationTally, Tally
    from storescope.middleware._definitions import Metric


def gather(  # noqa: PLR0913, PLR0917 (whatever had a part in the run)
    options: LoadOptions, clock: Clock, tally: Tally, registry: CollectorRegistry, stack: Stack, home: Home
) -> LoadReport:
    """Return the report of a run that is over."""
    every = tally.every()
    injected = sum(tally.error_types[name] for name in FAULTS)
    return LoadReport(
        backend=stack.backend,
        region=stack.region,
        seed=options.seed,
        interrupted=clock.interrupted,
        busy=options.sessions,
        seconds=round(clock.elapsed, 3),
        sessions=tally.sessions,
        turns=tally.turns,
        calls=tally.calls,
        calls_per_second=round(tally.calls / max(clock.elapsed, 1e-9), 1),
        p50_ms=every.percentile(0.5),
        p99_ms=every.percentile(0.99),
        outcomes={name: every.outcomes[name] for name in OUTCOMES},
        operations=[_operation(name, tally.operations[name]) for name in OPERATIONS if name in tally.operations],
        decisions=_by_label(registry, DECISIONS, "decision"),
        error_types=dict(tally.error_types.most_common()),
        injected_errors=injected,
        other_errors=tally.error_types.total() - injected - stack.log.refused,
        raced_updates=tally.raced,
        update_conflicts=sum(_by_label(registry, UPDATE_CONFLICTS, "backend").values()),
        audit=_audit(stack, home),
    )


def _operation(name: str, tally: OperationTally) -> OperationReport:
    return OperationReport(
        operation=name,
        calls=tally.outcomes.total(),
        outcomes={outcome: tally.outcomes[outcome] for outcome in OUTCOMES if tally.outcomes[outcome]},
        p50_ms=tally.percentile(0.5),
        p99_ms=tally.percentile(0.99),
    )


def _by_label(registry: CollectorRegistry, metric: Metric, label: str) -> dict[str, int]:
    """Read a counter back, as Prometheus would, and add up what has the same value of a label."""
    totals = Counter[str]()
    for family in registry.collect():
        for sample in family.samples:
            if sample.name == metric.name:
                totals[sample.labels[label]] += int(sample.value)
    return dict(totals)


def _audit(stack: Stack, home: Home) -> AuditReport:
    report, stats = verify(home.audit, home.secret_key), stack.log.stats
    return AuditReport(
        folder=str(home.audit) if home.kept else None,
        key=str(home.secret_key) if home.kept else None,
        records=sum(stats.records.values()),
        failures=sum(stats.failures.values()),
        unlogged=report.unlogged,
        verdict=report.verdict.text,
        exit_code=int(report.verdict),
        summary=report.summary(),
    )
