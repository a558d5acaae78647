"""Driver spans below the storage spans: OpenTelemetry's own instrumentations, with stable names and no values."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from storescope._extras import require_extra
from storescope.errors import WrapError
from storescope.middleware._drivers._kinds import DRIVERS
from storescope.middleware._drivers._tracer import DriverTracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import TracerProvider

    from storescope.call import BackendInfo
    from storescope.middleware._drivers._kinds import Driver


def instrument_drivers(*names: str, tracer_provider: TracerProvider | None = None) -> tuple[str, ...]:
    """Turn on the driver spans below the storage spans, for the whole process.

    Statements, keys and values stay out of them, exception texts too. Calling it again changes nothing, and what
    the application instrumented itself before is left as it is.

    Args:
        *names: Which drivers: `redis`, `asyncpg`, `botocore` (aiobotocore too; of AWS's services DynamoDB alone).
            Without names, all whose package and instrumentation are installed.
        tracer_provider: Where the spans go; the global provider if left out.

    Returns:
        The drivers that are instrumented now.

    Raises:
        MissingExtraError: If a driver that was named, or its instrumentation, is not installed.
        WrapError: If a name is none of the three.
    """
    for name in names:
        if name not in DRIVERS:
            raise WrapError(f"instrument_drivers: a driver is one of {', '.join(DRIVERS)}, not {name!r}")
    wanted = (
        [DRIVERS[name] for name in names] if names else [each for each in DRIVERS.values() if _is_installed(each)]
    )
    for driver in wanted:
        provider = DriverTracerProvider(tracer_provider, driver)
        for package, instrumentor in driver.instrumentors:
            if names and package == driver.name:
                require_extra(package, extra=driver.extra)
            if _has(package):
                made = _instrumentor(driver, instrumentor)
                if not made.is_instrumented_by_opentelemetry:
                    made.instrument(tracer_provider=provider)
    return tuple(driver.name for driver in wanted)


def driver_spans_below(backend: BackendInfo) -> Callable[[], bool]:
    """Return a function that tells whether the backend's driver makes spans of its own right now."""
    systems = {backend.system, *(member.system for member in backend.members)}
    makers = [
        _instrumentor(driver, instrumentor)
        for driver in DRIVERS.values()
        if driver.system in systems and _is_installed(driver)
        for package, instrumentor in driver.instrumentors
        if _has(package)
    ]
    if not makers:
        return lambda: False
    if len(makers) == 1:
        (maker,) = makers
        return lambda: bool(maker.is_instrumented_by_opentelemetry)
    return lambda: any(maker.is_instrumented_by_opentelemetry for maker in makers)


def _instrumentor(driver: Driver, name: str) -> Any:
    """Return the instrumentation's object for a driver; there is one for the process."""
    return getattr(require_extra(driver.module, extra=driver.extra), name)()


def _is_installed(driver: Driver) -> bool:
    return _has(driver.name) and _has(driver.module)


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
