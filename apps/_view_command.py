"""`storescope view`: traces in the browser, without Docker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from storescope._extras import require_extra
from storescope.apps._duration import Duration

if TYPE_CHECKING:
    from storescope.apps.view import Options, Viewer

PORT = 4318  # that of OTLP over HTTP: what exports by default, exports here
_EXTRA = ("google.rpc", "opentelemetry.proto", "starlette", "uvicorn")


@click.command()
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="0 for any free one."
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the spans in this file; else they are gone when the viewer ends.",
)
@click.option(
    "--most-spans", default=2_000_000, show_default=True, type=click.IntRange(1), help="Older ones are dropped."
)
@click.option("--most-age", default="7d", show_default=True, type=Duration(), help="And so are those: 1h, 7d.")
@click.option(
    "--audit",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Show this audit log's records beside spans.",
)
@click.option(
    "--audit-key",
    type=click.Path(path_type=Path),
    metavar="K",
    help="The auditor's secret key, to verify the log.",
)
@click.option("--metrics", metavar="URL", help="Draw charts of this Prometheus text endpoint.")
def view(  # noqa: PLR0913 (click passes one by keyword for each option)
    *,
    port: int,
    no_open: bool,
    keep: Path | None,
    most_spans: int,
    most_age: float,
    audit: Path | None,
    audit_key: Path | None,
    metrics: str | None,
) -> None:
    """Take traces in over OTLP/HTTP, and show them in the browser.

    It listens on 127.0.0.1 only, and sends nothing anywhere. Point what exports at it with
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318. Ctrl-C ends it.

    Exit codes: 0 it was ended, 2 usage: the port is taken, or a file cannot be used.

    \b
    Example:
      storescope view --audit .storescope/demo/audit --audit-key .storescope/demo/auditor.key
    """
    require_viewer()
    from storescope.apps.view import Bounds, Options

    if audit_key is not None and audit is None:
        raise click.UsageError("--audit-key verifies a log: name its folder with --audit")
    bounds = Bounds(spans=most_spans, seconds=most_age)
    serve(
        port,
        Options(keep=keep, bounds=bounds, audit=audit, audit_key=audit_key, metrics=metrics),
        opens=not no_open,
    )


def require_viewer() -> None:
    """Look whether the extra is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    for module in _EXTRA:
        require_extra(module, extra="view")


def serve(port: int, options: Options, *, opens: bool) -> None:
    """Serve until a signal ends it; print and, if asked for, open its address.

    Raises:
        ViewError: If the port is taken, or a file cannot be used.
    """
    from storescope.apps.view import Viewer

    with Viewer(port, options) as viewer:
        viewer.run(lambda: announce(viewer, opens=opens))


def announce(viewer: Viewer, *, opens: bool) -> None:
    """Print where the viewer is, and open it in the browser if asked for."""
    import webbrowser

    click.echo(f"{viewer.url}  (OTEL_EXPORTER_OTLP_ENDPOINT={viewer.url}; Ctrl-C ends it)")
    if opens:
        webbrowser.open(viewer.url)
