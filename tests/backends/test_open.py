"""Opening a store: one clear error for each thing that can be wrong, and no secret in any of them."""

from __future__ import annotations

import sqlite3
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from storescope import OPERATIONS, BackendError, MissingExtraError, StorageClient, call_context, wrap
from storescope.backends import Backend, local_storage, open_backend
from tests.backends.scans import scan_all
from tests.servers import RedisCluster, RedisServer, free_port

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-canary"


async def refusal(url: Any, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await open_backend(url, **options)
    shown = "".join(traceback.format_exception(caught.value, chain=True))
    assert SECRET not in repr(caught.value)
    assert "During handling" not in shown
    assert "direct cause" not in shown
    return caught.value


async def test_a_backend_is_a_handler_map(backend_url: str) -> None:
    async with open_backend(backend_url, region="aws:eu-west-1", name="mine") as backend:
        assert isinstance(backend, Backend)
        assert list(backend) == list(OPERATIONS)
        assert len(backend) == 15
        assert backend.info.region == "aws:eu-west-1"
        assert backend.info.keeps_labels
        assert backend.info.label in repr(backend)
        outer = wrap(backend)
        await outer["session.set"](id="s", value={"id": "s"})
        assert await dict(backend)["session.get"](id="s") == {"id": "s"}


async def test_options_may_stand_in_the_query() -> None:
    backend = await open_backend("memory:?region=aws%3Aeu-west-1&tenancy=required&name=mine")
    assert backend.info.region == "aws:eu-west-1"
    assert backend.info.name == "mine"
    with call_context(tenant="acme"):
        assert await backend["session.get"](id="s") is None
    await backend.aclose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redsi://localhost", "'redis:'"),
        ("lcal:x", "'local:'"),
        (f"user:{SECRET}@host", "scheme"),
        ("nothing", "URL"),
        (7, "URL"),
        ("local:", "folder"),
        ("memory:x", "no path"),
        ("memory:?tenancy=mine", "'shared' or 'required'"),
        (f"memory:?{SECRET}=1", "region"),
        (f"memory:?{SECRET}", "name=value"),
        ("memory:?tenancyy=required", "'tenancy'"),
        ("local:x?busy_timeout=soon", "number"),
        (f"redis://user:{SECRET}/x@host", "percent-encode"),
        (f"redis://:{SECRET}#@host", "percent-encode"),
        ("redis://host/name", "percent-encode"),
        ("redis:host", "percent-encode"),
        ("redis://localhost?prefix=a:b", "prefix"),
        ("redis+cluster:host", "percent-encode"),
        ("redis+cluster://host/0", "has but one"),
        ("redis+cluster://host:7000,:7001", "percent-encode"),
        ("redis+cluster://host:many", "percent-encode"),
        (f"redis+cluster://user:{SECRET}/x@host,other", "percent-encode"),
        (f"redis+cluster://:{SECRET}#@host", "percent-encode"),
        ("redis+cluster://localhost?prefix={a}", "prefix"),
        ("redis+cluster://localhost?ssl_ca_certs=x", "for rediss+cluster://"),
        ("redis://localhost?max_connections=many", "integer"),
    ],
)
async def test_each_fault_of_a_url_has_its_line(url: Any, says: str) -> None:
    assert says in str(await refusal(url))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"busy_timeout": "5"}, "number"),
        ({"busy_timeout": True}, "number"),
        ({"bussy_timeout": 5}, "'busy_timeout'"),
        ({"region": 7}, "string"),
    ],
)
async def test_each_fault_of_a_keyword_has_its_line(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert says in str(await refusal(f"local:{tmp_path / 'new'}", **options))
    assert not (tmp_path / "new").exists()


async def test_an_option_given_twice_must_agree(tmp_path: Path) -> None:
    url = f"local:{tmp_path / 'x'}?busy_timeout=2.5"
    assert "twice" in str(await refusal(url, busy_timeout=3))
    await (await open_backend(url, busy_timeout=2.5)).aclose()


async def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "storescope.backends._redis", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "storescope.backends._redis", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        await open_backend("redis://localhost")


async def test_an_unreachable_server_is_named() -> None:
    port = free_port()
    error = await refusal(f"redis://user:{SECRET}@127.0.0.1:{port}/0")
    assert f"127.0.0.1:{port}" in str(error)
    assert error.retryable
    assert "user" not in str(error)
    assert error.driver_error == "redis.ConnectionError"


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--requirepass", "right").start()
    try:
        where = f"127.0.0.1:{server.port}"
        for url in (f"redis://:{SECRET}@{where}", f"redis://{where}"):
            error = await refusal(url)
            assert "password" in str(error)
            assert where in str(error)
            assert not error.retryable
        async with open_backend(f"redis://:right@{where}") as backend:
            assert "right" not in repr(backend) + repr(backend.info)
    finally:
        server.kill()


async def test_a_cluster_node_and_a_replica_are_told(tmp_path: Path, redis_server: RedisServer) -> None:
    for arguments, says in (
        (("--cluster-enabled", "yes"), "cluster"),
        (("--replicaof", "127.0.0.1", str(redis_server.port)), f"127.0.0.1:{redis_server.port}"),
    ):
        server = RedisServer(tmp_path, *arguments).start()
        try:
            assert says in str(await refusal(server.url))
        finally:
            server.kill()


async def test_a_single_server_is_no_cluster(redis_server: RedisServer) -> None:
    error = await refusal(redis_server.url.replace("redis:", "redis+cluster:").removesuffix("0"))
    assert "no cluster; use redis://" in str(error)
    assert not error.retryable


async def test_a_cluster_that_nobody_answers_for_is_named() -> None:
    first, second = free_port(), free_port()
    error = await refusal(f"redis+cluster://user:{SECRET}@127.0.0.1:{first},127.0.0.1:{second}")
    assert f"127.0.0.1:{second}" in str(error)
    assert error.retryable


async def test_a_cluster_s_wrong_password_and_missing_slots_are_told(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--cluster-enabled", "yes", "--requirepass", "right").start()
    where = f"127.0.0.1:{server.port}"
    try:
        for url in (f"redis+cluster://:{SECRET}@{where}", f"redis+cluster://{where}"):
            error = await refusal(url)
            assert "password" in str(error)
            assert where in str(error)
            assert not error.retryable
        error = await refusal(f"redis+cluster://:right@{where}")
        assert "16,384 of its 16,384 slots belong to no node" in str(error)
        assert "right" not in str(error)
    finally:
        server.kill()


async def test_a_user_who_may_not_ask_about_the_cluster_is_told_what_to_allow(
    shared_redis_cluster: RedisCluster,
) -> None:
    cluster, words = shared_redis_cluster, ("acl", "setuser", "few", "on", f">{SECRET}", "~*", "+@all")
    for node in cluster.nodes:
        cluster.ask(node, *words, "-cluster")
    url = cluster.url.replace("//", f"//few:{SECRET}@")
    try:
        assert "+cluster|slots" in str(await refusal(url))
        rights = ["+cluster|slots", "+cluster|info", "+cluster|nodes", "+command", "+eval", "+evalsha", "+ping"]
        for node in cluster.nodes:
            cluster.ask(node, *words, "-@all", "+@read", "+@write", *rights)
        async with open_backend(f"{url}?prefix=few") as backend:
            await backend["message.set"](id="m", value={"sessionId": "s"})
            assert await backend["message.update"](id="m", updates={"sessionId": "t"}) == {"sessionId": "t"}
            assert [record.id for record in await scan_all(backend, "message")] == ["m"]
    finally:
        for node in cluster.nodes:
            cluster.ask(node, "acl", "deluser", "few")


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "folder" in str(await refusal(f"local:{tmp_path / 'file'}"))
    assert "folder" in str(await refusal(f"local:{tmp_path / 'file' / 'below'}"))
    (tmp_path / "taken" / "storage.db").mkdir(parents=True)
    error = await refusal(f"local:{tmp_path / 'taken'}")
    assert error.driver_error == "sqlite3.OperationalError:SQLITE_CANTOPEN"
    assert not error.retryable


async def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"
    path.write_bytes(b"not a database at all" * 100)
    error = await refusal(f"local:{tmp_path}")
    assert error.driver_error == "sqlite3.DatabaseError:SQLITE_NOTADB"
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs(x)")
    before = path.read_bytes()
    assert "another program" in str(await refusal(f"local:{tmp_path}"))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "newer" in str(await refusal(f"local:{tmp_path}"))
    assert path.read_bytes()[:20] == before[:20]  # the header, where WAL would show


async def test_local_storage_opens_at_its_first_call(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    client = StorageClient(local_storage(folder))
    assert not folder.exists()
    await client.session.set("s", {"id": "s"})
    assert (folder / "storage.db").exists()
    assert await StorageClient(local_storage(folder)).session.get("s") == {"id": "s"}


async def test_local_storage_tries_again(tmp_path: Path) -> None:
    (tmp_path / "agent").write_text("in the way")
    client = StorageClient(local_storage(tmp_path / "agent"))
    with pytest.raises(BackendError):
        await client.session.get("s")
    (tmp_path / "agent").unlink()
    assert await client.session.get("s") is None
