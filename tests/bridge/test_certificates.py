"""Client certificates that have grants of their own, shown by real TLS clients to a real bridge."""

from __future__ import annotations

import ssl
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from storescope.apps.serve import ServeError
from storescope.apps.serve._tls import fingerprint_of
from storescope.apps.serve._tokens import TokenFile
from tests.apps.command import assert_one_line, storescope_here
from tests.bridge.bridges import serving, wait_for
from tests.bridge.tokens import bearer, make_token
from tests.certificates import Certificate, make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

GET = {"op": "session.get", "params": {"id": "a"}}
SET = {"op": "session.set", "params": {"id": "a", "value": {}}}
READER = ("--tenant", "acme", "--operation", "read", "--region", "*")


def grant(folder: Path, name: str, certificate: Certificate) -> str:
    """Let who shows a certificate read for one tenant, as the command does; return what it printed."""
    done = storescope_here("token", name, *READER, "--certificate", certificate.file, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of the server and of two clients that its authority knows; the file names one of them."""
    made = tmp_path_factory.mktemp("certificates")
    known, other = make_certificate(made, "known"), make_certificate(made, "other")
    (made / "authority.pem").write_text(known.file.read_text() + other.file.read_text())
    make_certificate(made, "server")
    grant(made, "agent", known)
    return made


@pytest.fixture(scope="module")
def client(folder: Path) -> Generator[Callable[..., httpx.Client]]:
    """Makes clients of the bridge, with the certificate of that name."""
    tls = ("--tls-cert", "server.pem", "--tls-key", "server.key", "--client-ca", "authority.pem")
    with serving("--backend", "memory:", "--token-file", "tokens.toml", *tls, cwd=folder) as bridge:

        def made(name: str | None, **headers: str) -> httpx.Client:
            context = ssl.create_default_context(cafile=folder / "server.pem")
            if name is not None:
                context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
            return httpx.Client(base_url=bridge.url, verify=context, headers=headers, timeout=60)

        yield made


def status(client: httpx.Client, call: dict[str, Any], **said: str) -> int:
    headers = {f"Storescope-{name}": value for name, value in said.items()}
    return client.post("/v1/storage", json=call, headers=headers).status_code


def knows(agent: httpx.Client) -> bool:
    return status(agent, SET) != 401


def test_a_certificate_has_its_grants(client: Callable[..., httpx.Client]) -> None:
    """On every request of its connection."""
    with client("known") as agent:
        assert status(agent, GET) == 200  # for the only tenant that it may name
        assert status(agent, GET, Tenant="acme") == 200
        assert status(agent, GET, Tenant="globex") == 403
        assert status(agent, SET) == 403
        assert agent.get("/metrics").status_code == 403


def test_another_certificate_of_the_authority_opens_nothing(client: Callable[..., httpx.Client]) -> None:
    with client("other") as agent:
        assert status(agent, GET) == 401
        assert agent.get("/v1/info").status_code == 401
        assert agent.get("/healthz").status_code == 200


def test_without_a_certificate_nobody_is_heard(client: Callable[..., httpx.Client]) -> None:
    with client(None) as agent, pytest.raises(httpx.TransportError):
        status(agent, GET)


def test_who_brings_a_token_goes_by_that_alone(client: Callable[..., httpx.Client], folder: Path) -> None:
    """A token that is wrong is not made good by the certificate; one that is right counts with any of them."""
    token = make_token(folder / "tokens.toml", "writer", operations=["write"])
    for name in ("known", "other"):
        with client(name, **bearer(token)) as agent:
            wait_for(partial(knows, agent))  # it looks at its file once a second
            assert (status(agent, SET), status(agent, GET)) == (200, 403)
        with client(name, **bearer("wrong")) as agent:
            assert status(agent, GET) == 401
        with client(name, Authorization="") as agent:
            assert status(agent, GET) == 401


def test_the_file_has_the_fingerprint_that_openssl_shows(folder: Path, tmp_path: Path) -> None:
    """So that an entry can be made and checked without this command. Of several certificates the first counts."""
    made = make_certificate(tmp_path, "client")
    shown = grant(tmp_path, "agent", made)
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(made.file)]
    openssl = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert shown == openssl.partition("=")[2].strip().replace(":", "").lower()
    assert fingerprint_of(folder / "authority.pem") == fingerprint_of(folder / "known.pem")
    tokens = TokenFile(tmp_path / "tokens.toml")
    found = tokens.find_certificate(shown)
    assert found is not None
    assert (found.name, found.tenants) == ("agent", frozenset({"acme"}))
    assert tokens.find_certificate(None) is None
    assert tokens.find(shown) is None


def test_what_is_no_certificate_is_said(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, "client")
    for wrong in ("client.key", "none.pem"):
        done = storescope_here("token", "agent", *READER, "--certificate", wrong, cwd=tmp_path)
        assert f"{wrong} must be a PEM file" in assert_one_line(done, 2)
    assert not (tmp_path / "tokens.toml").exists()
    grant(tmp_path, "agent", made)
    done = storescope_here("token", "again", *READER, "--certificate", made.file, cwd=tmp_path)
    assert "tokens.again.certificate: another entry has the same" in assert_one_line(done, 2)


def test_an_entry_goes_by_one_thing(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    make_token(path)
    path.write_text(path.read_text() + f'certificate = "{"0" * 64}"\n')
    with pytest.raises(ServeError, match=r"tokens\.agent: goes by"):
        TokenFile(path)
