"""Real servers for tests: started on a free port of 127.0.0.1, stopped at the end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

_START_SECONDS = 60.0
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class ServerMissingError(Exception):
    """A server that the tests need is not installed."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on.

    It lies below the range from which the system gives ports to outgoing connections, so that a server that
    is killed finds it free again, and low enough for a cluster's second port, which is 10,000 higher.
    """
    while True:
        port = random.randrange(12_000, 22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """A `redis-server` of its own that a test may kill and start again.

    It keeps nothing, or with `durable` has each write on disk before it answers, and all of them after a restart.
    """

    def __init__(self, folder: Path, *arguments: str, durable: bool = False) -> None:
        self.port = free_port()
        self._folder = folder
        self._arguments = ("--save", "", *(_DURABLE if durable else ("--appendonly", "no")), *arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL, without a prefix."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started, and not killed since."""
        return self._process is not None

    def start(self) -> Self:
        """Start it and wait until it answers; a server that ran before is empty now, unless it is durable."""
        program = shutil.which("redis-server")
        if program is None:
            raise ServerMissingError("redis-server is not installed; apt-get install redis-server")
        fixed = ["--bind", "127.0.0.1", "--dir", str(self._folder)]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--port", str(self.port), *fixed, *self._arguments], stdout=log, stderr=log
            )
        self._wait(self._process)
        return self

    def empty(self) -> None:
        """Delete what is in it: a scan goes through the keys of all prefixes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(64).startswith(b"+OK")

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up:
            if process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"redis-server did not start: {(self._folder / 'redis.log').read_text()[-2000:]}")

    def _answers(self) -> bool:
        """Whether it replies at all; `-NOAUTH` and `-LOADING` are replies, but only the first will do."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


class RedisCluster:
    """Several Redis servers that share the slots of one cluster, with as many replicas each as are asked for.

    Args:
        folder: Where they keep what they keep.
        *arguments: More of `redis-server`'s.
        primaries: How many have slots.
        replicas: How many stand by for each.
        patience: Milliseconds of silence after which a node is taken for dead.
        durable: As for one server.
        password: What they ask for; empty for nothing.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        primaries: int = 3,
        replicas: int = 0,
        patience: int = 15_000,
        durable: bool = False,
        password: str = "",
    ) -> None:
        self._password = password
        self._replicas = replicas
        self.nodes: list[RedisServer] = []
        for number in range(primaries * (1 + replicas)):
            own = folder / f"node-{number}"
            own.mkdir()
            cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(patience)]
            cluster += ["--requirepass", password, "--masterauth", password] if password else []
            self.nodes.append(RedisServer(own, *cluster, *arguments, durable=durable))

    @property
    def url(self) -> str:
        """The URL of its first two nodes, without a prefix."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2]) + "/"

    def start(self) -> Self:
        """Start them, join them, and wait until each has seen all."""
        for node in self.nodes:
            node.start()
        places = [f"127.0.0.1:{node.port}" for node in self.nodes]
        try:
            if len(self.nodes) < 3:  # redis-cli makes none of fewer
                self._join()
            else:
                replicas = ("--cluster-replicas", str(self._replicas))
                self.command("--cluster", "create", *places, *replicas, "--cluster-yes")
            self.settle()
        except BaseException:
            self.kill()
            raise
        return self

    def _join(self) -> None:
        share = 16_384 // len(self.nodes)
        for number, node in enumerate(self.nodes):
            self.ask(node, "cluster", "addslotsrange", str(number * share), str((number + 1) * share - 1))
            self.ask(node, "cluster", "set-config-epoch", str(number + 1))
            self.ask(node, "cluster", "meet", "127.0.0.1", str(self.nodes[0].port))

    def settle(self) -> None:
        """Wait until every node that runs says that the cluster works, and sees as many nodes as there are."""
        give_up = time.monotonic() + 3 * _START_SECONDS
        known = f"cluster_known_nodes:{len(self.nodes)}"
        told: list[str] = []
        while time.monotonic() < give_up:
            told = [self.ask(node, "cluster", "info") for node in self.nodes if node.runs]
            if all("cluster_state:ok" in each and known in each for each in told):
                return
            time.sleep(0.05)
        raise RuntimeError(f"the Redis cluster does not get together: {told}")

    def move(self, slot: int, *, pause: float = 0.0) -> None:
        """Move a slot with its keys to the next of the nodes; between two steps stay as it is for some seconds."""
        ids = {self.ask(node, "cluster", "myid").strip(): node for node in self.nodes}
        source = next(id_ for id_ in ids if slot in self._slots(id_))
        names = list(ids)
        target = names[(names.index(source) + 1) % len(names)]
        self.ask(ids[target], "cluster", "setslot", str(slot), "importing", source)
        self.ask(ids[source], "cluster", "setslot", str(slot), "migrating", target)
        time.sleep(pause)
        while keys := self.ask(ids[source], "cluster", "getkeysinslot", str(slot), "2").split():
            where = ("127.0.0.1", str(ids[target].port), "", "0", "5000", "keys")
            self.ask(ids[source], "migrate", *where, *keys)
            time.sleep(pause / 10)
        for id_ in (target, source, *names):
            self.ask(ids[id_], "cluster", "setslot", str(slot), "node", target)

    def _slots(self, id_: str) -> set[int]:
        """Return the slots of a node."""
        told = self.ask(self.nodes[0], "cluster", "nodes").splitlines()
        words = next(line.split() for line in told if line.startswith(id_))[8:]
        ends = [word.split("-") for word in words if not word.startswith("[")]
        return {slot for end in ends for slot in range(int(end[0]), int(end[-1]) + 1)}

    def kill(self) -> None:
        """Kill all its nodes, as a crash would."""
        for node in self.nodes:
            node.kill()

    def ask(self, node: RedisServer, *words: str) -> str:
        """Send a node a command, and return what it answers."""
        return self.command("-p", str(node.port), *words)

    def command(self, *words: str) -> str:
        """Run `redis-cli`, and return what it says."""
        program = shutil.which("redis-cli")
        if program is None:
            raise ServerMissingError("redis-cli is not installed; apt-get install redis-server")
        with_password = {**os.environ, "REDISCLI_AUTH": self._password} if self._password else None
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, check=False, timeout=60, env=with_password
        )
        if done.returncode:
            raise RuntimeError(f"redis-cli failed: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout


class PostgresServer:
    """A Postgres cluster of its own, that a test may kill and start again; it keeps its data.

    Its database `storescope` belongs to the role `app`, which is neither superuser nor above row-level security.
    """

    PASSWORD = "app-secret"

    def __init__(self, *settings: str) -> None:
        self.port = free_port()
        # Not in pytest's own folder: Postgres does not run as root, and another user cannot get in there.
        self.folder = Path(tempfile.mkdtemp(prefix="storescope-postgres-"))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the database `storescope`, as the role `app`."""
        return f"postgresql://app:{self.PASSWORD}@127.0.0.1:{self.port}/storescope"

    @property
    def superuser_url(self) -> str:
        """The same database, as the superuser."""
        return f"postgresql://postgres:{self.PASSWORD}@127.0.0.1:{self.port}/storescope"

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def create(self) -> Self:
        """Make the cluster, start it, and make the role and the database."""
        password = self.folder / "password"
        password.write_text(self.PASSWORD)
        self.give_away()
        try:
            self._run("initdb", "--username=postgres", f"--pwfile={password}", *_INITDB, str(self.folder / "data"))
            self.start()
            self._sql("postgres", f"CREATE ROLE app LOGIN PASSWORD '{self.PASSWORD}'")
            self._sql("postgres", "CREATE DATABASE storescope OWNER app")
        except BaseException:
            self.remove()
            raise
        return self

    def start(self) -> Self:
        """Start it and wait until it answers."""
        fixed = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,  # the suite runs several cases at once, some in five processes
            "recovery_init_sync_method": "syncfs",  # after a kill it syncs its files; one by one takes seconds
        }
        given = [f"{name}={value}" for name, value in fixed.items()] + list(self._settings)
        arguments = [word for setting in given for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen[bytes](
                [_postgres_program("postgres"), "-D", str(self.folder / "data"), *arguments],
                stdout=log,
                stderr=log,
                **_as_unprivileged(),
            )
        self._wait(self._process)
        return self

    def processes(self) -> list[int]:
        """Return the ids of all its processes, the postmaster's first."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def kill(self) -> None:
        """Kill every process of it, as a crash would. None is left that would keep it from starting again."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # from now on it starts no other
        processes = self.processes()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        self._process = None
        give_up = time.monotonic() + _START_SECONDS
        while any(map(_runs, processes)) and time.monotonic() < give_up:
            time.sleep(0.01)

    def give_away(self) -> None:
        """Let its folder and what is in it belong to the user that it runs as."""
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, _UNPRIVILEGED, "nogroup")

    def remove(self) -> None:
        """Kill it and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def copy(self) -> PostgresServer:
        """Return a server on a copy of this one's files, not started yet. This one must not be running."""
        other = PostgresServer(*self._settings)
        subprocess.run(["cp", "-a", f"{self.folder}/.", str(other.folder)], check=True)
        (other.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        return other

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [_postgres_program(program), *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            # psql looks for certificates at home, where another user cannot get in.
            env={**os.environ, "PGPASSWORD": self.PASSWORD, "HOME": str(self.folder)},
            **_as_unprivileged(),
        )

    def _sql(self, database: str, statement: str) -> None:
        host = ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres", f"--dbname={database}"]
        self._run("psql", "--no-psqlrc", "--quiet", *host, f"--command={statement}")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and process.poll() is None:
            with suppress(subprocess.CalledProcessError):
                self._run("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}")
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"postgres did not start: {(self.folder / 'log').read_text()[-2000:]}")


_UNPRIVILEGED = "nobody"
_INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")


def _as_unprivileged() -> dict[str, Any]:
    """Return how to start a process that must not be root's."""
    return {"user": _UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


def _runs(process: int) -> bool:
    """Return whether there is such a process, and it has not ended already."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _postgres_program(name: str) -> str:
    """Find a program of Postgres; Debian keeps them off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = next((str(folder / name) for folder in folders if (folder / name).exists()), shutil.which(name))
    if found is None:
        raise ServerMissingError(f"{name} is not installed; apt-get install postgresql")
    return found
