"""What goes wrong around a bridge, and the stated answer to each."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from storescope.apps import main
from storescope.apps.serve import _body
from storescope.apps.serve._body import Bodies
from storescope.apps.serve._refusal import Refusal
from storescope.backends import open_backend
from tests.apps.command import storescope, storescope_here
from tests.bridge.bridges import Bridge, metric, serving, wait_for
from tests.bridge.tokens import bearer, make_token
from tests.certificates import make_certificate
from tests.faults.disks import faulty_disk
from tests.middleware.test_multiprocess import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import RedisServer

EU = "aws:eu-west-1"
ACME = {"Storescope-Tenant": "acme", "Storescope-Region": EU}


def test_a_backend_that_is_gone(redis_server: RedisServer, tmp_path: Path) -> None:
    """503, with `Retry-After`, and readiness goes; when it is back, so is the bridge."""
    with serving("--backend", redis_server.url, cwd=tmp_path) as bridge:
        assert bridge.call("session.set", id="a", value={}).status == 200
        redis_server.kill()
        answer = bridge.call("session.get", id="a")
        assert (answer.status, answer.headers["Retry-After"], answer.json["retryable"]) == (503, "1", True)
        wait_for(lambda: bridge.get("/readyz").status == 503)
        assert bridge.get("/readyz").json["checks"]["backend"] == "BackendError"
        assert bridge.get("/healthz").status == 200
        redis_server.start()
        wait_for(lambda: bridge.get("/readyz").status == 200)
        assert bridge.call("session.get", id="a").json == {"result": None}


def test_an_audit_log_that_cannot_be_written(tmp_path: Path) -> None:
    """Writes are refused before the store is touched, reads go on, readiness goes; it heals by itself."""
    (tmp_path / "disk").write_text("in the way")
    with serving(
        "--backend", "memory:", "--audit", "disk/audit", "--auditor", _auditor(tmp_path), cwd=tmp_path
    ) as bridge:
        answer = bridge.call("session.set", id="a", value={})
        assert (answer.status, answer.json["type"]) == (503, "urn:storescope:error:audit")
        assert answer.json["maybeApplied"] is False
        assert bridge.call("session.get", id="a").json == {"result": None}
        assert bridge.get("/readyz").json["checks"]["audit"] == "its folder cannot be used"
        (tmp_path / "disk").unlink()
        wait_for(lambda: bridge.call("session.set", id="a", value={}).status == 200)
        wait_for(lambda: bridge.get("/readyz").status == 200)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A write is refused before the store is touched, reads go on; with room again, so do writes. Of what was
    acknowledged nothing is lost: the records are there, and each of their writes is in a log that verifies."""
    auditor = _auditor(tmp_path)
    with (
        faulty_disk(tmp_path / "faulty") as disk,
        serving(
            "--backend", "memory:", "--audit", disk.path / "audit", "--auditor", auditor, cwd=tmp_path
        ) as bridge,
    ):
        for name in "01234":
            assert bridge.call("session.set", id=name, value={}).status == 200
        disk.full(room=300)  # not a whole record: the last write is cut short
        answer = bridge.call("session.set", id="refused", value={})
        assert (answer.status, answer.json["type"]) == (503, "urn:storescope:error:audit")
        assert (answer.headers["Retry-After"], answer.json["maybeApplied"]) == ("1", False)
        assert bridge.call("session.get", id="refused").json == {"result": None}
        assert bridge.call("session.get", id="0").json == {"result": {}}
        wait_for(lambda: bridge.get("/readyz").status == 503)
        assert metric(bridge, "agent_storage_audit_failures_total") >= 1
        disk.well()
        wait_for(lambda: bridge.call("session.set", id="after", value={}).status == 200)
        wait_for(lambda: bridge.get("/readyz").status == 200)
        for name in ("after", *"01234"):
            assert bridge.call("session.get", id=name).json == {"result": {}}
        bridge.end()
        done = storescope("audit", "verify", disk.real / "audit", "--key", "auditor.key", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        logged = "".join(path.read_text() for path in disk.real.glob("audit/*.jsonl"))
    intents = [line for line in logged.splitlines() if '"phase":"intent"' in line]
    assert len(intents) >= 6


def _auditor(folder: Path) -> Path:
    assert storescope_here("audit", "keygen", "auditor", cwd=folder).returncode == 0
    return folder / "auditor.pub"


def test_a_policy_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    """The policy before it decides on, and readiness says that the file is refused."""
    policy = tmp_path / "policy.toml"
    policy.write_text((ROOT / "examples" / "policy.toml").read_text())
    with serving("--backend", "memory:", "--region", EU, "--policy", policy, cwd=tmp_path) as bridge:
        policy.write_text("no policy")
        wait_for(lambda: "refused" in bridge.get("/readyz").json["checks"]["policy"])
        assert bridge.get("/readyz").status == 200
        assert metric(bridge, "agent_storage_residency_policy_reload_failures_total") >= 1
        assert bridge.call("session.get", ACME, id="a").status == 200
        assert bridge.call("session.get", {**ACME, "Storescope-Region": "aws:us-east-1"}, id="a").status == 403


def test_what_is_under_way_is_finished(tmp_path: Path) -> None:
    """SIGTERM: readiness goes first, requests are served on for a while, then it ends with exit code 0."""
    body = b'{"op":"session.get","params":{"id":"a"}}'
    kind = "Content-Type: application/json"
    head = f"POST /v1/storage HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {len(body)}"
    with serving("--backend", "memory:", "--drain", "60s", cwd=tmp_path) as bridge, bridge.connect() as connection:
        connection.sendall(f"{head}\r\n\r\n".encode() + body[:10])
        bridge.process.send_signal(signal.SIGTERM)
        wait_for(lambda: bridge.get("/readyz").status == 503)
        assert bridge.call("session.get", id="a").status == 200
        connection.sendall(body[10:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        bridge.process.send_signal(signal.SIGINT)  # which waits no more
        assert bridge.process.wait(60) == 0


async def test_bodies_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_body, "MOST_BYTES", 10)
    bodies = Bodies()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"1234567"}

    for _ in range(3):  # each gives its room back
        with bodies.room() as first:
            await first.read(receive, {"content-type": "application/json"})
            with bodies.room() as second, pytest.raises(Refusal) as refused:
                await second.read(receive, {"content-type": "application/json"})
            assert refused.value.status == 503


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 60",
        b"Content-Length: 5, 60",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\n chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\n Content-Length: 60",
        b"Content-Length\r\n: 5",
    ],
)
def test_smuggling(headers: bytes, smuggling_bridge: Bridge) -> None:
    """A head that two parsers could read differently is refused and the connection closed: what comes after it is
    never taken for a request of somebody else's."""
    with smuggling_bridge.connect() as connection:
        head = b"POST /v1/storage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + headers + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    first, *others = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith((b"400", b"501")), answer
    assert not others, answer


@pytest.fixture(scope="module")
def smuggling_bridge(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving("--backend", "memory:", cwd=tmp_path_factory.mktemp("smuggling")) as bridge:
        yield bridge


async def test_a_unix_socket_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sock"
    with serving("--backend", "memory:", "--unix-socket", path, cwd=tmp_path):
        assert path.stat().st_mode & 0o777 == 0o600
        async with open_backend("storescope+http://localhost", socket=str(path)) as backend:
            await backend["session.set"](id="a", value={"n": 1})
            assert await backend["session.get"](id="a") == {"n": 1}
    assert not path.exists()


async def test_mutual_tls(tmp_path: Path) -> None:
    """Without a certificate of the authority nobody is let in; with one, a token may still be demanded."""
    server, client = make_certificate(tmp_path, "server"), make_certificate(tmp_path, "client")
    tls = ("--tls-cert", server.file, "--tls-key", server.key, "--client-ca", client.file)
    with serving("--backend", "memory:", *tls, "--host", "127.0.0.1", cwd=tmp_path) as bridge:
        trusted: dict[str, Any] = {"ssl_ca_certs": str(server.file), "connect_timeout": 60}  # it may yet start
        known: dict[str, Any] = {**trusted, "ssl_certfile": str(client.file), "ssl_keyfile": str(client.key)}
        async with open_backend(bridge.backend_url, **known) as backend:
            assert await backend["session.get"](id="a") is None
        with pytest.raises(Exception, match=r"cannot be reached|refused or failed"):
            await open_backend(bridge.backend_url, **trusted)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "--token-file"),
        (["--auditor", "x.pub"], "--audit"),
        (["--tls-cert", "x.pem"], "--tls-key"),
        (["--tls-cert", "x.pem", "--tls-key", "x.key"], "PEM"),
        (["--unix-socket", "no/where"], "no/where"),
        (["--backend", "memory:", "--workers", "2"], "memory: lives in one process"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: nothing is served yet."""
    monkeypatch.setattr("sys.argv", ["storescope", "serve", "--port", "0", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert_said(capsys.readouterr().err, says)


@pytest.mark.parametrize("extra", ["starlette", "uvicorn"])
def test_what_is_not_installed_names_the_extra(
    extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.setattr("sys.argv", ["storescope", "serve"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert_said(capsys.readouterr().err, "pip install 'storescope[serve]'")


def assert_said(text: str, says: str) -> None:
    assert says in text
    assert "Traceback" not in text
    assert len([line for line in text.splitlines() if line.startswith(("storescope:", "Error:"))]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--token-file", "none.toml"], "none.toml: cannot be read"),
        (["--policy", "none.toml"], "none.toml"),
        (["--backend", "redis://127.0.0.1:1"], "redis"),
    ],
)
def test_what_cannot_be_opened_is_said(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = storescope("serve", "--port", "0", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert_said(done.stderr, says)


async def test_a_token_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_token(tmp_path / "tokens.toml", operations=["read"])
    with serving("--backend", "memory:", "--token-file", "tokens.toml", cwd=tmp_path) as bridge:
        monkeypatch.setenv("STORESCOPE_TOKEN", token)
        async with open_backend(bridge.backend_url) as backend:
            assert await backend["session.get"](id="a") is None
            with pytest.raises(Exception, match="does not allow") as refused:
                await backend["session.set"](id="a", value={})
            assert token not in repr(backend) + repr(vars(refused.value)) + str(refused.value)
        monkeypatch.setenv("STORESCOPE_TOKEN", "wrong-token")
        with pytest.raises(Exception, match="give a token") as refused:
            await open_backend(bridge.backend_url)
        assert "wrong-token" not in str(refused.value)
        assert bridge.get("/v1/info", bearer(token)).status == 200
    assert token not in (tmp_path / "serve.log").read_text()
