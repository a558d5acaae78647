"""What is public is listed, sorted and documented."""

from __future__ import annotations

import importlib
import inspect

import pytest

PACKAGES = (
    "storescope",
    "storescope.apps",
    "storescope.apps.serve",
    "storescope.apps.view",
    "storescope.backends",
    "storescope.conformance",
    "storescope.dashboards",
    "storescope.durable",
    "storescope.durable.dbos",
    "storescope.durable.temporal",
    "storescope.middleware",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_there(package: str) -> None:
    module = importlib.import_module(package)
    names: list[str] = module.__all__
    # As ruff sorts: constants, then classes, then the rest.
    assert sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names
    for name in names:
        assert hasattr(module, name)


# Those whose `__init__` only gathers: in the others it also uses what it does not offer.
@pytest.mark.parametrize("package", ["storescope", "storescope.backends", "storescope.middleware"])
def test_whatever_has_a_public_name_is_listed(package: str) -> None:
    module = importlib.import_module(package)
    ours = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and (getattr(value, "__module__", None) or "").startswith("storescope")
    }
    assert ours <= set(module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_functions_and_classes_say_what_they_are(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        if not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        assert inspect.getdoc(value), f"{package}.{name}"
        if inspect.isfunction(value) and inspect.signature(value).parameters:
            assert "Args:" in (inspect.getdoc(value) or ""), f"{package}.{name}"
        if inspect.isclass(value) and value.__module__.startswith("storescope"):
            for member, function in inspect.getmembers(value, inspect.isfunction):
                if not member.startswith("_") and function.__module__.startswith("storescope"):
                    assert inspect.getdoc(function), f"{package}.{name}.{member}"


def test_design_names_are_there() -> None:
    """DESIGN 1 and 2: checks outside this repository call these."""
    core = importlib.import_module("storescope")
    wanted = (
        "OPERATIONS Operation Handler Handlers Call Middleware BackendInfo Store StorageClient wrap call_context "
        "CallContext current_context Session Message Part Sandbox Setup StorageError RecordNotFoundError "
        "InvalidRecordError RecordTooLargeError UnsupportedOperationError TenantRequiredError ResidencyError "
        "PolicyError AuditError StorageTimeoutError BackendError"
    )
    assert set(wanted.split()) <= set(core.__all__)
    middleware = importlib.import_module("storescope.middleware")
    layers = (
        "tracing instrument_drivers metrics audit AuditLog AuditSink StructlogSink OpenTelemetrySink region_guard "
        "ResidencyPolicy Decision timeout"
    )
    assert set(layers.split()) <= set(middleware.__all__)
