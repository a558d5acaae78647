"""What `kv+` backends tell: their counts, and never what is stored or the keys of an S3 server."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest

from storescope import OPERATIONS, BackendError, call_context, wrap
from storescope.backends import open_backend
from tests.backends.test_secrets import every_call, shown
from tests.faults.proxy import Mode, Proxy
from tests.middleware.helpers import stack
from tests.middleware.test_backend_counts import listen, value
from tests.middleware.test_canary import attempt, parameters
from tests.policies import REGION
from tests.s3_server import S3Server

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = (S3Server.KEY, S3Server.SECRET)


async def test_conflicts_and_connections_are_counted(kv_backend_url: str) -> None:
    """A zero is told too: what never happened is known."""
    gc.collect()
    registry = listen()
    async with open_backend(kv_backend_url, name="kv", region="r") as backend:
        for name in ("backend_retries_total", "update_conflicts_total", "connections_waiting"):
            assert value(registry, name, "kv", "r") == 0
        await backend["session.set"](id="s", value={})
        made = 0
        # Whether two meet is chance, but in memory, where nothing is awaited between reading and writing.
        while not value(registry, "update_conflicts_total", "kv", "r") and kv_backend_url != "kv+memory:":
            updates = (backend["session.update"](id="s", updates={f"f{n}": n}) for n in range(made, made + 10))
            await asyncio.gather(*updates)
            made += 10
        assert len(await backend["session.get"](id="s")) == made
        if kv_backend_url.startswith(("kv+redis", "kv+postgres")):  # obstore does not tell of its own
            assert value(registry, "connections_open", "kv", "r") >= 1
        assert value(registry, "connections_waiting", "kv", "r") == 0
    assert value(registry, "connections_open", "kv", "r") == 0


async def test_reads_that_are_sent_again_and_requests_that_wait_are_counted(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = listen()
    async with open_backend(f"kv+{s3_url}", name="kv", region="r", max_requests=1) as backend:
        await backend["setup.set"](id="s", value={"a": 1})
        engine: Any = backend._engine._engine  # type: ignore[attr-defined] # the KV engine below
        real = engine.store
        waiting: list[float] = []

        class FailsOnce:
            async def get_async(self, name: str, **options: Any) -> Any:
                await asyncio.sleep(0)  # the other one comes
                waiting.append(value(registry, "connections_waiting", "kv", "r"))
                if len(waiting) == 1:
                    raise OSError("connection reset")
                return await real.get_async(name, **options)

        monkeypatch.setattr(engine, "store", FailsOnce())
        get = backend["setup.get"]
        for record in await asyncio.gather(get(id="s"), get(id="s")):
            assert record == {"a": 1}
        assert value(registry, "backend_retries_total", "kv", "r") == 1
        assert (max(waiting), waiting[-1]) == (1, 0)
        assert value(registry, "connections_waiting", "kv", "r") == 0


async def test_no_content_is_told(kv_backend_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "canary-of-content"
    async with open_backend(kv_backend_url, region=REGION) as backend:
        with stack(backend, tmp_path) as seen, call_context(tenant="acme", region=REGION):
            seen.handlers = wrap(backend, *seen.layers().values())
            texts = [
                await attempt(seen.handlers, operation, parameters(operation, secret))
                for operation in [*OPERATIONS, *OPERATIONS]  # the second time round there is something to find
            ]
            told = [*texts, repr(backend), *(span.to_json() for span in seen.spans), seen.exposition]
            told += [repr(seen.records), caplog.text]
    assert len(seen.spans) == 2 * len(OPERATIONS)
    assert not [text for text in told if secret in text or any(key in text for key in SECRETS)]


async def test_no_key_is_told_of_a_server_that_is_gone(
    shared_s3_server: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Proxy(shared_s3_server.port) as proxy:
        url = f"kv+{shared_s3_server.url('tests/keys')}".replace(f":{shared_s3_server.port}&", f":{proxy.port}&")
        told: list[Any] = [repr(open_backend(url))]
        async with open_backend(url, region=REGION, timeout=5) as backend:
            with stack(backend, tmp_path) as seen, call_context(tenant="acme", region=REGION):
                seen.handlers = wrap(backend, *seen.layers().values())
                proxy.switch(Mode.REFUSE)
                failures = await every_call(seen.handlers)
                assert "BackendError" in failures
                told += [failures, repr(backend), repr(backend.info), repr(dict(backend)), vars(backend)]
                told += [*(span.to_json() for span in seen.spans), seen.exposition, seen.records]
        with pytest.raises(BackendError) as unreachable:
            await open_backend(url)
        told += [shown(unreachable.value), caplog.text]
    assert not [key for key in SECRETS if key in "\n".join(map(str, told))]
