"""TLS to real servers: the right certificate connects; each thing that is wrong has one line, and no password."""

from __future__ import annotations

import shutil
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.certificates import Certificate, make_certificate
from tests.faults.patience import patiently
from tests.faults.proxy import Mode, Proxy
from tests.servers import PostgresServer, RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SECRET = PostgresServer.PASSWORD


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Certificate:
    """The servers' own."""
    return make_certificate(folder, "ours")


@pytest.fixture(scope="module")
def other(folder: Path) -> Certificate:
    """One that has nothing to do with the servers'."""
    return make_certificate(folder, "other")


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> Certificate:
    """One for another host."""
    return make_certificate(folder, "elsewhere", "DNS:elsewhere.example")


class TlsRedis(RedisServer):
    """A Redis server with a plain port, and a second port that speaks TLS."""

    def __init__(self, folder: Path, certificate: Certificate, *arguments: str) -> None:
        self.tls_port = free_port()
        files = ("--tls-cert-file", str(certificate.file), "--tls-key-file", str(certificate.key))
        trust = ("--tls-ca-cert-file", str(certificate.file), "--tls-auth-clients", "no")
        super().__init__(
            folder, "--requirepass", SECRET, "--tls-port", str(self.tls_port), *files, *trust, *arguments
        )

    @property
    def tls_url(self) -> str:
        return f"rediss://:{SECRET}@127.0.0.1:{self.tls_port}"


@pytest.fixture(scope="module")
def tls_redis(ours: Certificate, folder: Path) -> Generator[TlsRedis, None, None]:
    server = TlsRedis(folder, ours).start()
    yield server
    server.kill()


@pytest.fixture
def tls_cluster(ours: Certificate, tmp_path: Path) -> Generator[TlsRedis, None, None]:
    """A cluster of one node, which names its TLS port to clients that speak TLS."""
    server = TlsRedis(tmp_path, ours, "--cluster-enabled", "yes", "--tls-cluster", "yes").start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as node:
            node.sendall(f"AUTH {SECRET}\r\nCLUSTER ADDSLOTSRANGE 0 16383\r\n".encode())
            give_up = time.monotonic() + 20
            while time.monotonic() < give_up:
                node.sendall(b"CLUSTER INFO\r\n")
                if b"cluster_state:ok" in node.recv(4096):
                    break
                time.sleep(0.1)
        yield server
    finally:
        server.kill()


async def test_a_redis_cluster_with_the_right_certificate_connects_and_others_are_told(
    tls_cluster: TlsRedis, ours: Certificate, other: Certificate
) -> None:
    url = tls_cluster.tls_url.replace("rediss:", "rediss+cluster:")
    await work(url, ssl_ca_certs=str(ours.file))
    assert "ssl_ca_certs" in str(await refusal(url, ssl_ca_certs=str(other.file)))
    assert "use rediss+cluster://" in str(await refusal(url.replace("rediss+", "redis+")))
    plain = url.replace(str(tls_cluster.tls_port), str(tls_cluster.port))
    assert "use redis+cluster://" in str(await refusal(plain, 1, ssl_ca_certs=str(ours.file)))


class TlsPostgres(PostgresServer):
    """A Postgres server that takes no connection without TLS."""

    def __init__(self, certificate: Certificate) -> None:
        super().__init__("fsync=off", "ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key")
        self._certificate = certificate

    def start(self) -> TlsPostgres:
        for source, name in zip(self._certificate, ("server.pem", "server.key"), strict=True):
            shutil.copy(source, self.folder / name)
        (self.folder / "server.key").chmod(0o600)
        self.give_away()
        (self.folder / "data" / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        super().start()
        return self


@pytest.fixture(scope="module")
def tls_postgres(ours: Certificate) -> Generator[TlsPostgres, None, None]:
    server = TlsPostgres(ours).create()
    yield server
    server.remove()


async def refusal(url: str, seconds: float = 30, /, **options: Any) -> BackendError:
    """Return how an attempt to open it ends; who gets no answer at all waits for those seconds."""
    with pytest.raises(BackendError) as caught:
        await open_backend(url, timeout=seconds, **options)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert SECRET not in shown
    assert "During handling" not in shown
    assert not caught.value.maybe_applied
    return caught.value


async def work(url: str, **options: Any) -> None:
    async with open_backend(url, **options) as backend:
        await backend["session.set"](id="s", value={"n": 1})
        assert await backend["session.get"](id="s") == {"n": 1}


async def test_redis_with_the_right_certificate_connects(
    tls_redis: TlsRedis, ours: Certificate, other: Certificate
) -> None:
    await work(tls_redis.tls_url, ssl_ca_certs=str(ours.file))
    await work(f"{tls_redis.tls_url}?ssl_ca_certs={ours.file}&ssl_certfile={other.file}&ssl_keyfile={other.key}")


async def test_redis_with_a_wrong_certificate_names_it(
    tls_redis: TlsRedis, other: Certificate, elsewhere: Certificate, tmp_path: Path
) -> None:
    for options in ({"ssl_ca_certs": str(other.file)}, {}):
        error = await refusal(tls_redis.tls_url, **options)
        assert "a certificate that is not trusted" in str(error)
        assert "ssl_ca_certs" in str(error)
        assert f"127.0.0.1:{tls_redis.tls_port}" in str(error)
        assert error.driver_error == "SSLCertVerificationError"
        assert not error.retryable
    server = TlsRedis(tmp_path, elsewhere).start()
    try:
        error = await refusal(server.tls_url, ssl_ca_certs=str(elsewhere.file))
        assert "another host's" in str(error)
    finally:
        server.kill()


async def test_redis_that_wants_a_certificate_of_ours_says_so(
    ours: Certificate, other: Certificate, tmp_path: Path
) -> None:
    server = TlsRedis(tmp_path, ours, "--tls-auth-clients", "yes").start()
    trust = {"ssl_ca_certs": str(ours.file)}
    try:
        await work(server.tls_url, **trust, ssl_certfile=str(ours.file), ssl_keyfile=str(ours.key))
        for options in ({}, {"ssl_certfile": str(other.file), "ssl_keyfile": str(other.key)}):
            assert "ssl_certfile" in str(await refusal(server.tls_url, **trust, **options))
    finally:
        server.kill()


async def test_redis_without_tls_on_one_side_names_the_other_scheme(
    tls_redis: TlsRedis, ours: Certificate
) -> None:
    error = await refusal(tls_redis.tls_url.replace("rediss:", "redis:"))
    assert "use rediss://" in str(error)
    plain = tls_redis.tls_url.replace(str(tls_redis.tls_port), str(tls_redis.port))
    error = await refusal(plain, 1, ssl_ca_certs=str(ours.file))
    assert "use redis://" in str(error)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
async def test_a_tls_file_of_redis_that_cannot_be_used_is_named(
    option: str, tls_redis: TlsRedis, tmp_path: Path
) -> None:
    (tmp_path / "nonsense.pem").write_text("no certificate at all")
    for path in ("/missing.pem", str(tmp_path), str(tmp_path / "nonsense.pem")):
        error = await refusal(tls_redis.tls_url, **{option: path})
        assert option in str(error)
        assert not error.retryable
    error = await refusal(tls_redis.url, **{option: str(tmp_path / "nonsense.pem")})
    assert "for rediss://" in str(error)  # else the user would believe in TLS, and the password be sent without


async def test_redis_that_falls_silent_under_tls_is_closed_in_time(tls_redis: TlsRedis, ours: Certificate) -> None:
    """TLS says good-bye and waits for the answer."""
    with Proxy(tls_redis.tls_port) as proxy:
        url = tls_redis.tls_url.replace(str(tls_redis.tls_port), str(proxy.port))
        limits: dict[str, Any] = {"ssl_ca_certs": str(ours.file), "timeout": 1, "connect_timeout": 1}
        backend = await patiently(lambda: open_backend(url, **limits))
        await backend["session.set"](id="s", value={})
        proxy.switch(Mode.BLACK_HOLE)
        begun = time.monotonic()
        with pytest.raises(BackendError):
            await open_backend(url, **limits)
        await backend.aclose()
        assert time.monotonic() - begun < 15  # without a bound it would be half a minute


@pytest.mark.parametrize("options", [{}, {"sslmode": "require"}, {"sslmode": "allow"}])
async def test_postgres_takes_tls_without_a_look_at_the_certificate(
    tls_postgres: TlsPostgres, options: dict[str, str]
) -> None:
    await work(tls_postgres.url, migrate=True, **options)


async def test_postgres_with_the_right_certificate_connects(tls_postgres: TlsPostgres, ours: Certificate) -> None:
    await work(tls_postgres.url, migrate=True, sslrootcert=str(ours.file))
    await work(f"{tls_postgres.url}?sslmode=verify-ca&sslrootcert={ours.file}", migrate=True)


async def test_postgres_with_a_wrong_certificate_names_it(tls_postgres: TlsPostgres, other: Certificate) -> None:
    error = await refusal(tls_postgres.url, sslrootcert=str(other.file))
    assert "its certificate or ours is refused" in str(error)
    assert "sslrootcert" in str(error)
    assert error.driver_error == "SSLCertVerificationError"
    assert not error.retryable


async def test_postgres_that_takes_tls_alone_tells_a_plain_client(tls_postgres: TlsPostgres) -> None:
    error = await refusal(tls_postgres.url, sslmode="disable")
    assert "a connection without TLS" in str(error)
    assert not error.retryable


@pytest.mark.parametrize("options", [{"sslmode": "require"}, {"sslrootcert": "ours"}])
async def test_postgres_without_tls_tells_a_client_that_asks_for_it(
    shared_postgres_server: PostgresServer, ours: Certificate, options: dict[str, str]
) -> None:
    options = {name: str(ours.file) if value == "ours" else value for name, value in options.items()}
    error = await refusal(shared_postgres_server.url, **options)
    assert "speaks no TLS" in str(error)
    assert not error.retryable


async def test_a_tls_file_of_postgres_that_cannot_be_used_is_named(
    tls_postgres: TlsPostgres, ours: Certificate, other: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "nonsense.pem").write_text("no certificate at all")
    pair = {"sslcert": str(ours.file), "sslkey": str(other.key)}
    for options in ({"sslrootcert": str(tmp_path / "nonsense.pem")}, {"sslmode": "verify-full"}, pair):
        error = await refusal(tls_postgres.url, **options)
        assert "sslrootcert" in str(error)
        assert not error.retryable
