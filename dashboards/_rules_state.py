"""Alerts for residency, the audit log and the exporter: states that are wrong whatever the objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.dashboards._queries import TARGET_LABELS, Vector, increase, quoted, ratio, series_of, total
from storescope.dashboards._rule import Alert, Group, duration
from storescope.middleware._definitions import (
    AUDIT_DISK_FREE,
    AUDIT_FAILURES,
    AUDIT_LAST_SEAL,
    AUDIT_RECORDS,
    BUILD_INFO,
    DECISIONS,
    EXCEPTION_EXPIRY,
    OPERATIONS,
    POLICY_REFUSED,
)

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives

_PROCESS = "{{ $labels.instance }} of {{ $labels.job }}"


def residency_alerts(objectives: Objectives) -> Group:
    """Return the alerts of the region guard."""
    return Group("storescope-residency", (_denials(objectives), _expiring(objectives), _refused(objectives)))


def audit_alerts(objectives: Objectives) -> Group:
    """Return the alerts of the audit log."""
    alerts = (_failing, _filling, _unsealed, _unaudited, _tampered)
    return Group("storescope-audit", tuple(alert(objectives) for alert in alerts))


def process_alerts(objectives: Objectives) -> Group:
    """Return the alert of processes that Prometheus cannot read."""
    return Group("storescope-processes", (_down(objectives),))


def _denials(objectives: Objectives) -> Alert:
    window = duration(objectives.window_seconds)
    denied = total(increase(series_of(objectives.job, DECISIONS, decision="deny"), window), "job")
    decided = total(increase(series_of(objectives.job, DECISIONS), window), "job")
    share = ratio(denied, decided)
    return Alert(
        name="AgentStorageResidencyDenials",
        severity="page",
        vector=Vector(
            f"{share.expr} > {objectives.denied_share:g}\nand\n{denied.expr} > {objectives.denied_calls}",
            share.labels,
        ),
        hold=objectives.hold_seconds,
        summary="The region guard denies calls of {{ $labels.job }}.",
        description=f"{{{{ $value | humanizePercentage }}}} of the residency decisions of the last {window} were "
        f"denials, and more than {objectives.denied_calls} of them.",
    )


def _expiring(objectives: Objectives) -> Alert:
    end = series_of(objectives.job, EXCEPTION_EXPIRY)
    left = Vector(f"min by (job, exception) ({end.expr}) - time()", frozenset(("job", "exception")))
    end.require(*left.labels)
    return Alert(
        name="AgentStorageResidencyExceptionExpiring",
        severity="ticket",
        vector=Vector(f"{left.expr} < {objectives.exception_seconds}", left.labels),
        summary="The residency exception {{ $labels.exception }} of {{ $labels.job }} ends soon.",
        description="It ends in {{ $value | humanizeDuration }}, to the second; what it allows is denied from "
        "then on.",
    )


def _refused(objectives: Objectives) -> Alert:
    refused = series_of(objectives.job, POLICY_REFUSED)
    return Alert(
        name="AgentStorageResidencyPolicyReloadFailing",
        severity="ticket",
        vector=Vector(f"{refused.expr} > 0", refused.labels),
        summary=f"{_PROCESS} refuses its residency policy.",
        description="The policy file as it is now is wrong or cannot be read; the one before it is in force.",
    )


def _failing(objectives: Objectives) -> Alert:
    window = duration(objectives.window_seconds)
    failed = total(increase(series_of(objectives.job, AUDIT_FAILURES), window), *TARGET_LABELS, "reason")
    return Alert(
        name="AgentStorageAuditFailing",
        severity="page",
        vector=Vector(f"{failed.expr} > 0", failed.labels),
        hold=objectives.hold_seconds,
        summary=f"{_PROCESS} cannot write its audit log: {{{{ $labels.reason }}}}.",
        description=f"{{{{ $value | humanize }}}} records of the last {window} failed. Unless `on_failure` says "
        "otherwise, writes of the agent are refused meanwhile.",
    )


def _filling(objectives: Objectives) -> Alert:
    free = series_of(objectives.job, AUDIT_DISK_FREE)
    trend, ahead = duration(objectives.audit_trend_seconds), objectives.audit_full_seconds
    # Only of a process that was there when the trend begins: the first minutes of one say nothing.
    full = f"predict_linear({free.expr}[{trend}], {ahead}) < 0\nand\n{free.expr} offset {trend}"
    return Alert(
        name="AgentStorageAuditDiskFilling",
        severity="page",
        vector=Vector(f"{free.expr} < {objectives.audit_free_bytes}\nor\n(\n{full}\n)", free.labels),
        hold=objectives.hold_seconds,
        summary=f"The audit log's disk at {_PROCESS} fills.",
        description=f"Less than {objectives.audit_free_bytes} bytes are free, or at the pace of the last {trend} "
        f"none will be in {duration(ahead)}.",
    )


def _unsealed(objectives: Objectives) -> Alert:
    seal = series_of(objectives.job, AUDIT_LAST_SEAL)
    return Alert(
        name="AgentStorageAuditNotSealed",
        severity="page",
        vector=Vector(f"time() - {seal.expr} > {objectives.seal_seconds}", seal.labels),
        # Before a process's first seal it says 0, which is long ago: that is held against it no sooner.
        hold=objectives.seal_seconds,
        summary=f"{_PROCESS} does not seal its audit log.",
        description=f"There was no seal in {duration(objectives.seal_seconds)} and longer; what happened since is "
        "not proven.",
    )


def _unaudited(objectives: Objectives) -> Alert:
    window = duration(objectives.window_seconds)
    recorded = total(increase(series_of(objectives.job, AUDIT_RECORDS, phase="outcome"), window), *TARGET_LABELS)
    ended = total(increase(series_of(objectives.job, OPERATIONS), window), *TARGET_LABELS)
    share = ratio(recorded, ended)
    return Alert(
        name="AgentStorageUnauditedOperations",
        severity="page",
        vector=Vector(f"1 - {share.expr} > {objectives.unaudited_share:g}", share.labels),
        hold=objectives.hold_seconds,
        summary=f"Calls of {_PROCESS} leave no audit record.",
        description=f"{{{{ $value | humanizePercentage }}}} of the calls of the last {window} ended without one.",
    )


def _tampered(objectives: Objectives) -> Alert:
    window = duration(objectives.tamper_seconds)
    found = series_of(objectives.job, AUDIT_RECORDS, phase="tamper")
    tampered = total(increase(found, window), *TARGET_LABELS)
    return Alert(
        name="AgentStorageAuditTampered",
        severity="page",
        vector=Vector(f"{tampered.expr} > 0", tampered.labels),
        summary=f"Somebody changed the audit log of {_PROCESS}.",
        description=f"In the last {window} its writer found the file that it was writing to deleted, replaced or "
        "changed by somebody else. It goes on in a new one.",
    )


def _down(objectives: Objectives) -> Alert:
    seen = duration(objectives.remember_seconds)
    known = series_of(objectives.job, BUILD_INFO)
    up = f"up{{job=~{quoted(objectives.job)}}}"
    down = f"{up} == 0\nand on (job, instance)\npresent_over_time({known.expr}[{seen}])"
    gone = f"group by (job) (present_over_time({known.expr}[{seen}]))\nunless on (job)\n{up}"
    return Alert(
        name="AgentStorageExporterDown",
        severity="page",
        vector=Vector(f"(\n{down}\n)\nor\n(\n{gone}\n)", frozenset(TARGET_LABELS)),
        hold=objectives.hold_seconds,
        summary="Prometheus cannot read the metrics of {{ $labels.job }}.",
        description="{{ with $labels.instance }}{{ . }} does not answer{{ else }}None of its processes is known "
        "to Prometheus any more{{ end }}; while it is so, no other alert speaks for it.",
    )
