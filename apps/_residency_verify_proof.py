"""`storescope residency verify-proof`: whether the proof of a move is what was signed, and what the stores say."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storescope.apps._residency_options import backends, open_stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storescope.middleware._region._moving._verify import ProofReport


@click.command("verify-proof")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The public key that must have signed it, NAME.pub. Without it, whoever signed it passes.",
)
@backends(required=False)
@click.option(
    "--salt", type=click.Path(path_type=Path), help="The proof's salt; FILE with the ending .salt if left out."
)
@click.option("--session", help="The session's id, if the proof has it hashed.")
@click.option("--json", "as_json", is_flag=True, help="Print the report, and what the proof says, as JSON.")
def verify_proof(  # noqa: PLR0913 (click gives each option as an argument)
    file: Path, key: Path | None, urls: dict[str, str], salt: Path | None, session: str | None, *, as_json: bool
) -> int:
    """Verify the proof of a move in FILE: its schema and its signature.

    With a --backend, also what the store holds now. The target must hold every record as it was moved: what
    agents changed since then shows as changed. The source must hold nothing of the session. This takes the
    proof's salt and the session's id.

    Exit codes: 0 valid, 1 altered, or signed with another key, 2 usage, or a file or a store cannot be read,
    3 records of the session lie at the source, 4 the target lacks records or holds others in their place; the
    first of 2, 1, 3, 4 that holds.

    \b
    Example:
      storescope residency verify-proof move.json --key mover.pub --session s1 \\
        --backend aws:eu-west-1=redis://eu:6379/0 --backend aws:us-east-1=redis://us:6379/0
    """
    from storescope.middleware._region._moving._proof_files import read_proof, salt_path
    from storescope.middleware._region._moving._signing import load_verifier
    from storescope.middleware._region._moving._verify import verify

    report = verify(read_proof(file), None if key is None else load_verifier(key))
    if urls and report.altered is None:
        _check_regions(report, urls)
        asyncio.run(_compare(report, salt or salt_path(file), session, urls))
    click.echo(json.dumps(_report(report), indent=2) if as_json else "\n".join(_lines(file, report)))
    return int(report.verdict)


def _check_regions(report: ProofReport, urls: dict[str, str]) -> None:
    known = [report.proof[side]["region"] for side in ("source", "target")]
    for region in urls:
        if region not in known:
            raise click.UsageError(f"the proof is of a move from {known[0]} to {known[1]}, not of {region}")


async def _compare(report: ProofReport, salt: Path, session: str | None, urls: dict[str, str]) -> None:
    from storescope.middleware._region._moving._proof_files import read_salt
    from storescope.middleware._region._moving._session import sides_of
    from storescope.middleware._region._moving._verify import compare

    salted = read_salt(salt, report.proof)
    async with AsyncExitStack() as stack:
        await compare(report, session, salted, sides_of(await open_stores(urls, stack)))


def _lines(file: Path, report: ProofReport) -> Iterator[str]:
    from storescope.middleware._region._reader import one_line

    if report.altered is not None:
        yield f"altered: {file}: {report.altered}"
        return
    proof = report.proof
    says = f"{len(proof['rows'])} records from {proof['source']['region']} to {proof['target']['region']}"
    yield one_line(
        f"{report.verdict.name.lower().replace('_', ' ')}: {file}: {says}, switched at {proof['switched']}"
    )
    if not report.signer_known:
        yield "whoever signed it passed: give --key NAME.pub, as you got it from who made the move"
    if report.at_source is not None:
        yield f"source: {report.at_source or 'no'} records of the session"
    if report.target is not None:
        same, changed, gone, new = report.target
        yield f"target: {same} as they were moved, {changed} changed since, {gone} gone, {new} new"
    yield f"not covered: {len(proof['not_covered'])} things that it lists"


def _report(report: ProofReport) -> dict[str, Any]:
    return {
        "exit_code": int(report.verdict),
        "verdict": report.verdict.name.lower(),
        "altered": report.altered,
        "signer": "given" if report.signer_known else "unchecked",
        "at_source": report.at_source,
        "target": None if report.target is None else report.target._asdict(),
        "proof": dict(report.proof) or None,
    }
