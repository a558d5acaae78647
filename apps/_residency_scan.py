"""`storescope residency scan`: what a store holds, held against a policy."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storescope.apps._residency_options import label_key, read_label_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.backends import Backend
    from storescope.middleware._region._labels import Labels
    from storescope.middleware._region._scan_report import ScanReport

_MOST_SHOWN = 20


@click.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--policy", required=True, type=click.Path(path_type=Path), help="The policy, a TOML file.")
@click.option("--tenant", help="Whose the records are of which neither a label nor the store says it.")
@label_key
@click.option("--pins", metavar="URL", help="The pin registry, held against what the stores hold.")
@click.option(
    "--adopt",
    is_flag=True,
    help="Label the records that have no label and may rest here; with --pins, also make pins that are missing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def scan(  # noqa: PLR0913 (click gives each option as an argument)
    urls: tuple[str, ...],
    policy: Path,
    tenant: str | None,
    key_files: tuple[Path, ...],
    pins: str | None,
    *,
    adopt: bool,
    as_json: bool,
) -> int:
    """Look at every record of the stores at URL...: may it rest there, and is its residency label right?

    URL is what open_backend takes, with its region: region=aws%3Aeu-west-1 or probe=true in the query, and
    tenancy=required if the store keeps tenants apart. On Postgres, connect as a role with BYPASSRLS.

    With --pins: is each session pinned to where its records lie, and to whose they are? Give the stores of all
    regions at once: a session that lies in two of them is then seen, and is fenced off instead of pinned.

    Exit codes: 0 clean, 1 violations, 2 usage, 3 incomplete: some of it could not be listed.

    \b
    Example:
      storescope residency scan 'redis://localhost?region=aws:eu-west-1' --policy policy.toml
    """
    labels = _labels(key_files, name_ids=pins is not None)
    report = asyncio.run(_scan(urls, policy, tenant, labels, pins, adopt=adopt))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    return report.exit_code


def _labels(key_files: tuple[Path, ...], *, name_ids: bool) -> Labels:
    from storescope.middleware._region._labels import Labels

    return Labels(read_label_keys(key_files), name_ids=name_ids)


async def _scan(  # noqa: PLR0913 (what the command line gives)
    urls: tuple[str, ...], policy: Path, tenant: str | None, labels: Labels, pins: str | None, *, adopt: bool
) -> ScanReport:
    from storescope.backends._kv._open_engine import open_engine
    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._pin_scan import PinScan
    from storescope.middleware._region._scan import Scan
    from storescope.middleware._region._scan_report import ScanReport

    loaded, report, held = ResidencyPolicy.load(policy), ScanReport(), None
    async with AsyncExitStack() as stack:
        backends = [await _open(url, stack) for url in urls]
        if pins is not None:
            engine = await open_engine(pins, **_if_local(pins, create=adopt))
            stack.push_async_callback(engine.aclose)
            held = PinScan(engine, report, adopt=adopt)
        for backend in backends:
            job = Scan(loaded, backend.info, labels, tenant, adopt, time.time(), held)
            await job.run(backend.admin, report, _progress())
        if held is not None:
            await held.finish()
    return report


async def _open(url: str, stack: AsyncExitStack) -> Backend:
    from storescope.backends import open_backend

    backend = await stack.enter_async_context(open_backend(url, **_if_local(url, create=False)))
    if backend.info.region is None:
        raise click.UsageError("nobody says where this store is: put region=REGION or probe=true into the URL")
    return backend


def _if_local(url: str, *, create: bool) -> dict[str, Any]:
    """Return the options for a folder, which would be made if it is not there: but not there is not clean."""
    return {"create": create} if url.startswith("local:") else {}


def _progress() -> Callable[[int], None]:
    """Return what shows how far a scan is, on a terminal; it says nothing to a file."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda seen: click.echo(f"\r{seen} records", nl=False, err=True)


def _show(report: ScanReport) -> None:
    for violation in report.violations[:_MOST_SHOWN]:
        owner = violation.tenant or "nobody known"
        place = f" in {violation.region}" if violation.region else ""
        click.echo(f"{violation.code}: {violation.entity} {violation.id!r} of {owner!r}{place}")
    total = report.codes.total()
    if total > _MOST_SHOWN:
        click.echo(f"... and {total - _MOST_SHOWN} more; --json lists up to 1,000")
    for what, why in report.unseen.items():
        click.echo(f"not all was looked at: {what}: {why}", err=True)
    seen = ", ".join(f"{count} {entity}" for entity, count in report.seen.items())
    verdict = {0: "clean", 1: f"{total} violations", 3: "incomplete"}[report.exit_code]
    made = {"adopted": report.adopted, "pinned": report.pinned, "claimed": report.claimed}
    done = "".join(f", {count} {what}" for what, count in made.items() if count)
    click.echo(f"{verdict}: {report.seen.total()} records looked at ({seen}){done}")
