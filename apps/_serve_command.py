"""`storescope serve` and `storescope token`: the bridge for agents in other languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storescope._extras import require_extra
from storescope.apps._duration import Duration
from storescope.apps._loopback import HOSTS

if TYPE_CHECKING:
    import socket

    from storescope.apps.serve import ServeOptions, TlsOptions

PORT = 8_377
NOT_STARTED = 2
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--backend", default="local:.storescope", show_default=True, help="Where it stores: any URL.")
@click.option("--region", help="Where the backend's data rests: aws:eu-west-1.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; elsewhere it demands tokens."
)
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="0 for any free one."
)
@click.option("--unix-socket", type=_FILE, help="Listen on a Unix socket instead, for its owner only.")
@click.option("--token-file", type=_FILE, help="The tokens, as `storescope token` writes them.")
@click.option("--policy", type=_FILE, help="A residency policy: every call then needs tenant and region.")
@click.option("--audit", type=click.Path(path_type=Path), metavar="FOLDER", help="Keep an audit log there.")
@click.option("--auditor", type=_FILE, metavar="PUB", help="The auditor's public key, for --audit.")
@click.option("--tls-cert", type=_FILE, help="The server's certificate (PEM).")
@click.option("--tls-key", type=_FILE, help="Its key (PEM).")
@click.option("--client-ca", type=_FILE, help="Demand client certificates of this authority (mTLS).")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="How many processes.")
@click.option("--timeout", default="30s", show_default=True, type=Duration(), help="How long a call may take.")
@click.option(
    "--drain",
    default="5s",
    show_default=True,
    type=Duration(),
    help="How long to serve on after SIGTERM, with readiness gone.",
)
@click.option("--openapi", is_flag=True, help="Print the OpenAPI document, and serve nothing.")
def serve(  # noqa: PLR0913 (click gives one for each option)
    *,
    backend: str,
    region: str | None,
    host: str,
    port: int,
    unix_socket: Path | None,
    token_file: Path | None,
    policy: Path | None,
    audit: Path | None,
    auditor: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    workers: int,
    timeout: float,
    drain: float,
    openapi: bool,
) -> int:
    """Serve storage over HTTP, with tracing, metrics, audit log and region guard around it.

    Agents in other languages send POST /v1/storage; docs/bridge.md has the rest. Metrics are at /metrics, spans go
    where the OTEL_* variables say.

    Exit codes: 0 it was ended, 2 usage: something cannot be opened, or a token is needed.

    \b
    Example:
      storescope serve --backend redis://localhost:6379/0 --token-file tokens.toml --audit audit
    """
    for module in ("starlette", "uvicorn"):
        require_extra(module, extra="serve")
    from storescope.apps.serve import ServeOptions

    if openapi:
        from storescope.apps.serve._openapi import document

        click.echo(document(), nl=False)
        return 0
    if auditor is not None and audit is None:
        raise click.UsageError("--auditor is for an audit log: name its folder with --audit")
    local = host in HOSTS or unix_socket is not None
    if not (local or token_file or client_ca):
        raise click.UsageError(f"--host {host} lets others in: give --token-file, or --client-ca with TLS")
    options = ServeOptions(
        backend=backend,
        region=region,
        policy=policy,
        audit=audit,
        auditor=auditor,
        tokens=token_file,
        tls=_tls(tls_cert, tls_key, client_ca),
        workers=workers,
        seconds=timeout,
        drain_seconds=drain,
        hosts=HOSTS if local and unix_socket is None else frozenset(),
    )
    return 0 if _serve(options, host, port, unix_socket) else NOT_STARTED


def _serve(options: ServeOptions, host: str, port: int, path: Path | None) -> bool:
    from storescope.apps.serve import serve as run
    from storescope.apps.serve._server import bind, bind_unix

    bound = bind(host, port) if path is None else bind_unix(path)
    try:
        return run(options, bound, lambda: click.echo(f"{_address(bound, options)}  (Ctrl-C ends it)"))
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _address(bound: socket.socket, options: ServeOptions) -> str:
    name = bound.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{'https' if options.tls else 'http'}://{host}:{name[1]}"


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> TlsOptions | None:
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise click.UsageError("TLS needs both --tls-cert and --tls-key")
    from storescope.apps.serve._tls import read_tls

    return read_tls(cert, key, client_ca)


@click.command()
@click.argument("name")
@click.option("--file", "path", default="tokens.toml", show_default=True, type=_FILE, help="The token file.")
@click.option(
    "--tenant", "tenants", multiple=True, required=True, help="A tenant it may name; * for all. Repeat it."
)
@click.option(
    "--operation",
    "operations",
    multiple=True,
    required=True,
    help="An operation, read, write, metrics, or * for all fifteen. Repeat it.",
)
@click.option("--region", "regions", multiple=True, required=True, help="A region it may call from; * for all.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Calls a second, in each worker process.")
@click.option("--certificate", type=_FILE, help="Grant to who shows this client certificate (PEM); no token then.")
def token(  # noqa: PLR0913 (click gives one for each option)
    name: str,
    *,
    path: Path,
    tenants: tuple[str, ...],
    operations: tuple[str, ...],
    regions: tuple[str, ...],
    rate: float | None,
    certificate: Path | None,
) -> None:
    """Make a token called NAME: print it once, and write its hash and its grants to the token file.

    With --certificate they are the grants of who shows that certificate; its SHA-256 is written, and printed.
    A running bridge has the entry within a second. To take it away, delete it.

    Exit codes: 0 it was made, 2 usage: the file is wrong or has the name.

    \b
    Example:
      storescope token agent-eu --tenant acme --operation '*' --region aws:eu-west-1
    """
    from storescope.apps.serve._tls import fingerprint_of
    from storescope.apps.serve._token_file import add_certificate, add_token

    grants: dict[str, Any] = {"tenants": tenants, "operations": operations, "regions": regions}
    if rate is not None:
        grants["rate"] = rate
    if certificate is None:
        click.echo(add_token(path, name, grants))
    else:
        fingerprint = fingerprint_of(certificate)
        add_certificate(path, name, fingerprint, grants)
        click.echo(fingerprint)
