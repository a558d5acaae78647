"""docs/reference.md lists what a run of everything emits: nothing is missing, and nothing is made up."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

import storescope
from storescope import OPERATIONS, StorageError
from storescope.middleware._audit._record import FIELDS
from storescope.middleware._audit._writing._stats import PHASES, REASONS
from storescope.middleware._definitions import METRICS
from storescope.middleware._region._decision import REASONS as CODES
from storescope.outcome import OUTCOMES
from tests.middleware.emitted import subclasses, types_of
from tests.middleware.reference_page import names, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.middleware.emitted import Emitted

pytestmark = pytest.mark.unmeasured


def listed_types(table: Mapping[str, list[str]]) -> dict[str, set[str]]:
    return {name: {cells[0]} for name, cells in table.items()}


def test_span_attributes(emitted: Emitted) -> None:
    assert listed_types(rows("Spans", "attribute")) == types_of(span.attributes for span in emitted.spans)
    assert {span.name for span in emitted.spans} == set(OPERATIONS)


def test_driver_span_attributes(emitted: Emitted) -> None:
    assert listed_types(rows("Driver spans", "attribute")) == types_of(s.attributes for s in emitted.driver_spans)


def test_metrics(emitted: Emitted) -> None:
    listed = {
        name: (kind.partition(",")[0], names(labels))
        for name, (kind, _, labels) in rows("Metrics", "metric").items()
    }
    assert listed == emitted.metrics
    assert listed == {metric.name: (metric.kind, set(metric.labels)) for metric in METRICS}


def test_labels(emitted: Emitted) -> None:
    listed = rows("Metrics", "label")
    assert set(listed) == {label for _, labels in emitted.metrics.values() for label in labels}
    assert names(listed["outcome"][0]) == set(OUTCOMES) == emitted.label_values("outcome")
    assert names(listed["decision"][0]) == emitted.label_values("decision")
    assert names(listed["phase"][0]) == set(PHASES) >= emitted.label_values("phase")
    assert names(listed["reason"][0]) == set(REASONS) >= emitted.label_values("reason")
    assert emitted.label_values("operation") == set(OPERATIONS)


def test_log_lines(emitted: Emitted) -> None:
    listed = rows("Log lines", "event")
    record = listed.pop("storescope.audit")
    assert "audit-format.md" in record[1]
    assert emitted.events["storescope.audit"] <= set(FIELDS)
    own = {event: keys for event, keys in emitted.events.items() if event != "storescope.audit"}
    assert {event: (level, names(keys)) for event, (level, keys) in listed.items()} == {
        event: (emitted.levels[event], keys) for event, keys in own.items()
    }
    assert set(rows("Log lines", "key")) == {key for keys in own.values() for key in keys}


def test_audit_records_as_logs(emitted: Emitted) -> None:
    section = "Audit records as OpenTelemetry logs"
    assert listed_types(rows(section, "attribute")) == emitted.log_attributes
    assert emitted.log_events == {"storescope.audit.intent", "storescope.audit.outcome"}


def test_errors(emitted: Emitted) -> None:
    for module in pkgutil.walk_packages(storescope.__path__, "storescope."):
        importlib.import_module(module.name)  # else it depends on what other tests did
    listed = rows("Errors", "class")
    assert set(listed) == {cls.__name__ for cls in subclasses(StorageError)}
    of_calls = {name for name, (when, _) in listed.items() if names(when) & set(OUTCOMES)}
    assert of_calls == emitted.errors


def test_residency_codes(emitted: Emitted) -> None:
    listed = rows("Residency codes", "code")
    assert set(listed) == set(CODES) == emitted.label_values("code")
    assert all((of == ["a record's label"]) == code.startswith("label_") for code, of in listed.items())
