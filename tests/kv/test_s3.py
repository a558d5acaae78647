"""What can be wrong with a bucket: one line each that says what to do, and never a credential."""

from __future__ import annotations

import asyncio
import re
import traceback
from typing import TYPE_CHECKING

import pytest

from storescope import BackendError, InvalidRecordError
from storescope.backends import create_kv, open_backend
from storescope.backends._kv._object_names import key_of, name_of
from tests.s3_server import S3Server
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


async def refused(url: str) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await open_backend("kv+" + url)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
    assert not [word for word in ("secret-", "-secret", S3Server.KEY, S3Server.READERS_KEY) if word in shown]
    assert caught.value.__cause__ is None
    return caught.value


async def test_a_missing_bucket_and_refused_credentials(shared_s3_server: S3Server) -> None:
    url = shared_s3_server.url("tests")
    error = await refused(shared_s3_server.url("missing-bucket"))
    assert "no bucket of this name" in str(error)
    assert not error.retryable
    assert "secret_access_key" in str(await refused(url.replace("test-secret-key", "wrong-secret-key")))
    assert "access_key_id" in str(await refused(url.replace("test-access-key", "unknown-key")))


async def test_credentials_that_may_not_write(shared_s3_server: S3Server) -> None:
    """They may read and list, so that only the first write would have told."""
    url = shared_s3_server.url("tests").replace(S3Server.KEY, S3Server.READERS_KEY)
    error = await refused(url.replace(S3Server.SECRET, S3Server.READERS_SECRET))
    assert "s3:PutObject" in str(error)
    assert not error.retryable


async def test_no_credentials(shared_s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    url = f"s3://tests?endpoint={shared_s3_server.endpoint}&timeout=2&connect_timeout=1"
    assert "no credentials" in str(await refused(url))


async def test_a_server_that_is_not_there() -> None:
    url = f"s3://tests?endpoint=http://127.0.0.1:{free_port()}&access_key_id=a&secret_access_key=secret-1"
    error = await refused(url)
    assert "cannot reach 127.0.0.1" in str(error)
    assert error.retryable
    assert not error.maybe_applied


@pytest.mark.parametrize(
    "url",
    [
        "s3:bucket",
        "s3://B",
        "s3://a:secret-1@bucket",
        "s3://bucket?endpoint=here",
        "s3://bucket?access_key_id=a",
        "s3://bucket?timeout=0",
        "s3://bucket?secret=secret-1",
    ],
)
async def test_urls_that_are_none(url: str) -> None:
    await refused(url)


NOT_IMPLEMENTED = b"<Error><Code>NotImplemented</Code><Message>no If-None-Match: secret-1</Message></Error>"


@pytest.fixture(params=["takes it", "refuses it"])
async def heedless_server(request: pytest.FixtureRequest) -> AsyncGenerator[int, None]:
    """An S3 server that knows no conditions: it takes a write that has one like any other, or refuses it."""
    refuses: bool = request.param == "refuses it"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        lists = head.startswith(b"GET")
        body = body if lists else NOT_IMPLEMENTED if refuses else b""
        status = b"501 Not Implemented" if refuses and not lists else b"200 OK"
        says = b'HTTP/1.1 %s\r\nETag: "x"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s'
        writer.write(says % (status, len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_bucket_without_conditional_writes(heedless_server: int) -> None:
    url = f"s3://tests?endpoint=http://127.0.0.1:{heedless_server}&access_key_id=a&secret_access_key=secret-1"
    error = await refused(url)
    assert "If-None-Match, If-Match" in str(error)
    assert "KV layer needs" in str(error)
    assert not error.retryable


async def test_a_key_that_is_too_long_for_an_object(s3_url: str) -> None:
    async with create_kv(s3_url) as kv:
        with pytest.raises(InvalidRecordError, match="1024"):
            await kv.store("s/").set("é" * 300, 1)


def test_a_name_stands_for_its_key_alone() -> None:
    for key in ("a", "z", "a!", "a/..//b", "é\x01", "(2F"):
        assert key_of(name_of(key)) == key
    assert key_of("conditional-writes") is None
