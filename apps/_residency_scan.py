"""`storescope residency scan`: what a store holds, held against a policy."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storescope.apps._residency_options import label_key, read_label_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.middleware._region._labels import Labels
    from storescope.middleware._region._scan import ScanReport

_MOST_SHOWN = 20


@click.command()
@click.argument("url")
@click.option("--policy", required=True, type=click.Path(path_type=Path), help="The policy, a TOML file.")
@click.option("--tenant", help="Whose the records are of which neither a label nor the store says it.")
@label_key
@click.option("--adopt", is_flag=True, help="Label the records that have no label and may rest here.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def scan(  # noqa: PLR0913 (click gives each option as an argument)
    url: str, policy: Path, tenant: str | None, key_files: tuple[Path, ...], *, adopt: bool, as_json: bool
) -> int:
    """Look at every record of the store at URL: may it rest there, and is its residency label right?

    URL is what open_backend takes, with its region: region=aws%3Aeu-west-1 or probe=true in the query, and
    tenancy=required if the store keeps tenants apart. On Postgres, connect as a role with BYPASSRLS.

    Exit codes: 0 clean, 1 violations, 2 usage, 3 incomplete: some of it could not be listed.

    \b
    Example:
      storescope residency scan 'redis://localhost?region=aws:eu-west-1' --policy policy.toml
    """
    report = asyncio.run(_scan(url, policy, tenant, _labels(key_files), adopt=adopt))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    return report.exit_code


def _labels(key_files: tuple[Path, ...]) -> Labels:
    from storescope.middleware._region._labels import Labels

    return Labels(read_label_keys(key_files))


async def _scan(url: str, policy: Path, tenant: str | None, labels: Labels, *, adopt: bool) -> ScanReport:
    from storescope.backends import open_backend
    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._scan import Scan

    loaded = ResidencyPolicy.load(policy)
    options: dict[str, Any] = {"create": False} if url.startswith("local:") else {}  # not there is not clean
    async with open_backend(url, **options) as backend:
        if backend.info.region is None:
            raise click.UsageError("nobody says where this store is: put region=REGION or probe=true into the URL")
        job = Scan(loaded, backend.info, labels, tenant, adopt, time.time())
        return await job.run(backend.admin, _progress())


def _progress() -> Callable[[int], None]:
    """Return what shows how far a scan is, on a terminal; it says nothing to a file."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda seen: click.echo(f"\r{seen} records", nl=False, err=True)


def _show(report: ScanReport) -> None:
    for violation in report.violations[:_MOST_SHOWN]:
        owner = violation.tenant or "nobody known"
        click.echo(f"{violation.code}: {violation.entity} {violation.id!r} of {owner!r}")
    total = report.codes.total()
    if total > _MOST_SHOWN:
        click.echo(f"... and {total - _MOST_SHOWN} more; --json lists up to 1,000")
    for entity, why in report.unseen.items():
        click.echo(f"not all {entity} records were looked at: {why}", err=True)
    seen = ", ".join(f"{count} {entity}" for entity, count in report.seen.items())
    verdict = {0: "clean", 1: f"{total} violations", 3: "incomplete"}[report.exit_code]
    adopted = f", {report.adopted} adopted" if report.adopted else ""
    click.echo(f"{verdict}: {report.seen.total()} records looked at ({seen}){adopted}")
