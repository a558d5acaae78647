"""`storescope residency mark`: one line, one marker, and no second one by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope.backends import open_backend
from tests.apps.command import assert_one_line, storescope_here
from tests.servers import PostgresServer, RedisServer

if TYPE_CHECKING:
    from pathlib import Path

EU, US = "aws:eu-west-1", "aws:us-east-1"
PASSWORD = "hunter2-canary"


@pytest.fixture(params=["local", "postgres", "redis"])
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return f"local:{tmp_path / 'store'}"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


async def test_a_store_is_marked_once(durable_url: str, tmp_path: Path) -> None:
    first, second = (
        storescope_here("residency", "mark", durable_url, "--region", EU, cwd=tmp_path) for _ in range(2)
    )
    for done in (first, second):
        assert (done.returncode, done.stderr) == (0, "")
    assert first.stdout == second.stdout
    (line,) = first.stdout.splitlines()
    assert line.endswith(f" is marked as {EU}")
    assert PostgresServer.PASSWORD not in line
    async with open_backend(durable_url, probe=True) as backend:
        assert backend.info.region_confidence == "probed"
        marker = await backend.admin.marker()
        assert marker is not None
        assert str(marker.identity) in line


@pytest.mark.unmeasured
async def test_another_region_needs_replace(durable_url: str, tmp_path: Path) -> None:
    storescope_here("residency", "mark", durable_url, "--region", EU, cwd=tmp_path)
    line = assert_one_line(storescope_here("residency", "mark", durable_url, "--region", US, cwd=tmp_path), 2)
    assert EU in line
    assert "--replace" in line
    assert PostgresServer.PASSWORD not in line
    done = storescope_here("residency", "mark", durable_url, "--region", US, "--replace", cwd=tmp_path)
    assert done.returncode == 0
    async with open_backend(durable_url, probe=True) as backend:
        assert backend.info.region == US


def test_the_agents_own_url_will_do(tmp_path: Path) -> None:
    """It asks for the marker that is not there yet, and declares what the marker will say."""
    url = f"local:{tmp_path / 'store'}?probe=true&region={EU}"
    assert storescope_here("residency", "mark", url, "--region", EU, cwd=tmp_path).returncode == 0


def test_what_cannot_be_marked_is_one_line(tmp_path: Path) -> None:
    assert "memory:" in assert_one_line(
        storescope_here("residency", "mark", "memory:", "--region", EU, cwd=tmp_path), 2
    )
    command = ("residency", "mark", f"local:{tmp_path / 'store'}", "--region", "two words")
    assert "PROVIDER:REGION" in assert_one_line(storescope_here(*command, cwd=tmp_path), 2)


@pytest.mark.unmeasured
def test_no_password_is_printed(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--requirepass", PASSWORD).start()
    try:
        url = server.url.replace("//", f"//:{PASSWORD}@")
        for arguments in ((url,), (url.replace(PASSWORD, f"{PASSWORD}-wrong"),), (url, "--region", US), (url,)):
            region = () if "--region" in arguments else ("--region", EU)
            done = storescope_here("residency", "mark", *arguments, *region, cwd=tmp_path)
            assert PASSWORD not in done.stdout + done.stderr
            assert str(server.port) in done.stdout + done.stderr
    finally:
        server.kill()
