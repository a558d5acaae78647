"""`dynamodb://`: what can be wrong with table, key and credentials; what a writer that dies half-way leaves."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import BackendError, RecordTooLargeError, wrap
from storescope.backends import Backend, open_backend
from storescope.backends._dynamodb_schema import DEFINITION, check_description, cloudformation
from storescope.middleware import metrics
from tests.backends.scans import scan_all
from tests.backends.test_secrets import shown
from tests.dynamodb_servers import client
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tests.dynamodb_servers import Dynalite

SECRET = "hunter2-canary"


@pytest.fixture
async def backend(dynamodb_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(dynamodb_url) as opened:
        yield opened


async def refusal(url: str, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await open_backend(url, **options)
    assert SECRET not in shown(caught.value)
    return caught.value


@contextmanager
def refusing(code: str, times: int = 1_000, status: int = 400) -> Generator[str]:
    """Serve an endpoint that refuses each request with a code of AWS's, or so many, and then knows every table."""
    left = [times]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            left[0] -= 1
            if left[0] >= 0:
                self.answer(status, {"__type": f"com.amazon#{code}", "message": SECRET})
            else:
                table = {**DEFINITION, "TableName": "agents", "TableStatus": "ACTIVE"}
                self.answer(200, {"Table": table})

        def answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"dynamodb://agents?region=eu-west-1&endpoint_url=http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("dynamodb:agents", "dynamodb://TABLE"),
        (f"dynamodb://key:{SECRET}@agents", "no credentials"),
        (f"dynamodb://{SECRET}!", "3 to 255 letters"),
        ("dynamodb://agents?region=gcp:europe-west1", "AWS region"),
        (f"dynamodb://agents?endpoint_url={SECRET}", "http://HOST"),
        (f"dynamodb://agents?endpoint_url=http://u:{SECRET}@h/", "http://HOST"),
        ("dynamodb://agents?timeout=0", "time-outs"),
        ("dynamodb://agents?max_attempts=0", "max_attempts"),
        ("dynamodb://agents?region=eu-west-1&endpoint_url=https://dynamodb.us-east-1.amazonaws.com/", "us-east-1"),
    ],
)
async def test_a_url_that_cannot_be_used(url: str, says: str, aws_credentials: None) -> None:
    assert says in str(await refusal(url))


async def test_a_missing_table_says_how_to_make_one(shared_dynalite: Dynalite) -> None:
    error = await refusal(shared_dynalite.url("missing").replace("create=true&", ""))
    assert "create=true" in str(error)
    assert "storescope dynamodb cloudformation missing" in str(error)


async def test_a_table_with_another_key_is_refused(shared_dynalite: Dynalite) -> None:
    async with client(shared_dynalite.endpoint) as raw:
        await raw.create_table(
            TableName="other-key",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    assert "pk (HASH) and sk (RANGE)" in str(await refusal(shared_dynalite.url("other-key")))


def test_a_table_with_replicas_elsewhere_is_refused() -> None:
    described = {**DEFINITION, "TableName": "agents", "Replicas": [{"RegionName": "us-east-1"}]}
    with pytest.raises(BackendError, match="replicas in us-east-1"):
        check_description(described)


def test_the_template_is_the_table_that_is_made() -> None:
    (resource,) = json.loads(cloudformation("agents"))["Resources"].values()
    assert resource["Properties"] == {"TableName": "agents", **DEFINITION}
    assert resource["DeletionPolicy"] == "Retain"


async def test_missing_credentials_say_where_they_come_from(
    dynamodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    assert "AWS_ACCESS_KEY_ID" in str(await refusal(dynamodb_url))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("UnrecognizedClientException", "refuses these credentials"),
        ("ExpiredTokenException", "refuses these credentials"),
        ("AccessDeniedException", "lack a permission"),
        ("SomethingNew", "cannot be used"),
    ],
)
async def test_a_refusal_by_aws_is_one_line_without_its_text(
    code: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with refusing(code) as url:
        error = await refusal(url)
    assert says in str(error)
    assert error.driver_error == f"botocore.ClientError:{code}"
    assert not error.retryable
    assert "AKIACANARY" not in shown(error)


async def test_what_is_throttled_is_asked_again_and_counted(aws_credentials: None) -> None:
    registry = CollectorRegistry()
    wrap({}, metrics(registry=registry))
    with refusing("ThrottlingException", times=1) as url:
        async with open_backend(url, name="db"):
            counted = registry.get_sample_value(
                "agent_storage_backend_retries_total", {"backend": "db", "region": "aws:eu-west-1"}
            )
    assert counted == 1


async def test_what_stays_throttled_is_retryable_and_was_not_applied(dynamodb_url: str) -> None:
    async with open_backend(dynamodb_url, max_attempts=1) as backend:
        with refusing("ProvisionedThroughputExceededException") as url:
            async with open_backend(dynamodb_url, max_attempts=1) as other:
                client = other._engine.setup._calls._client  # type: ignore[attr-defined] # only DynamoDB has it
                client.meta.events.register_first(
                    "before-send.dynamodb",
                    lambda request, **_: setattr(request, "url", url.partition("endpoint_url=")[2]),
                )
                with pytest.raises(BackendError) as caught:
                    await other["setup.set"](id="s", value={"a": SECRET})
        assert caught.value.retryable
        assert not caught.value.maybe_applied
        assert SECRET not in shown(caught.value)
        assert await backend["setup.get"](id="s") is None


async def test_the_region_is_the_tables_own(dynamodb_url: str) -> None:
    for given, declared in (("eu-west-1", "aws:eu-west-1"), ("aws:eu-west-1", "aws:eu-west-1")):
        async with open_backend(dynamodb_url, region=given) as backend:
            assert backend.info.region == declared


async def test_the_largest_record_fits_and_one_byte_more_is_refused_before_it_is_written(backend: Backend) -> None:
    for entity in ("session", "message", "part", "sandbox", "setup"):
        fits = 400_000
        value = {"sessionId": "s", "text": "x" * fits}
        await backend[f"{entity}.set"](id="r", value=value)
        with pytest.raises(RecordTooLargeError):
            await backend[f"{entity}.set"](id="r", value={"sessionId": "s", "text": "é" * (fits // 2 + 5_000)})
        assert await backend[f"{entity}.get"](id="r") == value
    for entity in ("session", "message", "sandbox"):
        with pytest.raises(RecordTooLargeError):
            await backend[f"{entity}.update"](id="r", updates={"more": "x" * 10_000})
        assert "more" not in await backend[f"{entity}.get"](id="r")


async def test_writes_that_wait_for_one_record_keep_nobody_from_the_others(dynamodb_url: str) -> None:
    """However many they are: only one of them has one of the client's connections."""
    async with open_backend(dynamodb_url, max_connections=2) as backend:
        await backend["session.set"](id="hot", value={})
        calls, let_go = backend._engine.session._calls, asyncio.Event()  # type: ignore[attr-defined] # DynamoDB's
        get = calls.get

        async def held(key: Any) -> Any:
            if key["pk"]["S"].endswith("hot"):
                await let_go.wait()
            return await get(key)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls, "get", held)
            update = backend["session.update"]
            waiting = [asyncio.create_task(update(id="hot", updates={f"f{n}": n})) for n in range(5)]
            await asyncio.sleep(0)
            await backend["session.set"](id="cold", value={})
            assert not any(task.done() for task in waiting)
            waiting.pop().cancel()
            let_go.set()
            await asyncio.gather(*waiting)
        assert await backend["session.get"](id="hot") == {f"f{n}": n for n in range(4)}
        await asyncio.gather(*(backend["session.get"](id=f"s{n}") for n in range(10)))  # no turn was lost


class _DiesError(Exception):
    """The writer is killed here."""


def die_after(backend: Backend, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many requests that write go through, and raise at the next."""
    calls = backend._engine.message._calls  # type: ignore[attr-defined] # only DynamoDB has it
    left = [writes]
    for name in ("put", "delete", "mark", "count"):
        original = getattr(calls, name)

        async def counted(*args: Any, original: Any = original) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise _DiesError
            return await original(*args)

        monkeypatch.setattr(calls, name, counted)


STEPS = [(verb, writes) for verb in ("insert", "move", "move by update", "purge") for writes in range(7)]
SOME = [("insert", 2), ("move", 2), ("move by update", 3), ("purge", 1)]


@pytest.mark.parametrize(("verb", "writes"), STEPS if LONG else SOME)
async def test_a_writer_that_dies_between_two_steps_leaves_a_whole_record(
    backend: Backend, verb: str, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as before or as after, in one list or none; and the next writer, and a purge, get on."""
    old, new = {"id": "m", "sessionId": "s", "n": 1}, {"id": "m", "sessionId": "t", "n": 2}
    if verb != "insert":
        await backend["message.set"](id="m", value=old)
    with monkeypatch.context() as patch:
        die_after(backend, writes, patch)
        try:
            if verb == "purge":
                await backend.admin.purge("message", "m")
            elif verb == "move by update":
                await backend["message.update"](id="m", updates={"sessionId": "t", "n": 2})
            else:
                await backend["message.set"](id="m", value=new)
        except _DiesError:
            pass
    now = await backend["message.get"](id="m")
    assert now in ((None, new) if verb == "insert" else (old, None) if verb == "purge" else (old, new))
    for session in ("s", "t"):
        listed = await backend["message.listBySession"](session_id=session)
        assert listed == ([now] if now and now["sessionId"] == session else [])
    assert [found.record for found in await scan_all(backend, "message")] == ([now] if now else [])
    last = {"id": "m", "sessionId": "s", "n": 3}
    await backend["message.set"](id="m", value=last)
    assert await backend["message.get"](id="m") == last
    assert await backend["message.listBySession"](session_id="s") == [last]
    assert await backend["message.listBySession"](session_id="t") == []
    assert await backend.admin.purge("message", "m")
    client = backend._engine.message._calls._client  # type: ignore[attr-defined] # only DynamoDB has it
    left = await client.scan(TableName=backend.info.namespace)
    assert not [item for item in left["Items"] if "body" in item]
