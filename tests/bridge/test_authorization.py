"""Who may do what: token x tenant x operation x region, on a real application without a network."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from storescope import OPERATIONS
from storescope.apps.serve import ServeError
from storescope.apps.serve._app import bridge_routes
from storescope.apps.serve._gate import Gate
from storescope.apps.serve._health import Health
from storescope.apps.serve._options import ServeOptions
from storescope.apps.serve._stack import opened
from storescope.apps.serve._tokens import TokenFile
from tests.bridge.tokens import bearer, make_token

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

EU, US = "aws:eu-west-1", "aws:us-east-1"
GRANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "one-tenant": {"tenants": ["acme"]},
    "two-tenants": {"tenants": ["acme", "globex"]},
    "no-tenant": {"tenants": []},
    "reader": {"operations": ["read"]},
    "writer": {"operations": ["write"]},
    "sessions": {"operations": ["session.get", "session.set"]},
    "nothing": {"operations": []},
    "scraper": {"operations": ["metrics"]},
    "one-region": {"regions": [EU]},
    "two-regions": {"regions": [EU, US]},
    "narrow": {"tenants": ["acme"], "operations": ["session.get"], "regions": [EU]},
}
TENANTS = (None, "acme", "globex", "acme/eu")
REGIONS = (None, EU, US)


def allowed(grant: dict[str, Any], tenant: str | None, operation: str, region: str | None) -> bool:
    """The rules in words of their own: what is said must be granted, what is not said must be the only choice."""

    def fits(names: list[str], said: str | None) -> bool:
        return names == ["*"] or (len(names) == 1 if said is None else said in names)

    operations = grant.get("operations", ["*"])
    writes = OPERATIONS[operation].writes
    may = operations == ["*"] or operation in operations or ("write" if writes else "read") in operations
    return may and fits(grant.get("tenants", ["*"]), tenant) and fits(grant.get("regions", ["*"]), region)


def params(operation: str) -> dict[str, Any]:
    record = {"id": "r", "sessionId": "s"}
    given = {"id": "r", "value": record, "updates": record, "session_id": "s"}
    return {{"session_id": "sessionId"}.get(name, name): given[name] for name in OPERATIONS[operation].params}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[Starlette]:
    """A bridge whose tokens are `tokens.toml`."""
    async with opened(ServeOptions(backend="memory:")) as stack:
        gate = Gate(TokenFile(tmp_path / "tokens.toml"), frozenset())
        yield Starlette(routes=bridge_routes(stack, gate, Health(stack, gate)))


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    """Tokens by name."""
    return {name: make_token(tmp_path / "tokens.toml", name, **grant) for name, grant in GRANTS.items()}


@pytest.fixture
async def client(
    tokens: dict[str, str], app: Starlette
) -> AsyncGenerator[tuple[httpx.AsyncClient, dict[str, str]]]:
    """A client of the bridge, and its tokens by name."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bridge") as made:
        yield made, tokens


async def answer_to(app: Starlette, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """Make a request as a server would: a client in between would take most of the time of thousands."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"content-type": "application/json", **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/v1/storage", "headers": raw}
    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_every_rule(tokens: dict[str, str], app: Starlette) -> None:
    """12 tokens x 4 tenants x 15 operations x 3 regions, each against the rules as this test words them."""
    bodies = {name: json.dumps({"op": name, "params": params(name)}).encode() for name in OPERATIONS}
    for name, tenant, operation, region in itertools.product(GRANTS, TENANTS, OPERATIONS, REGIONS):
        said = {key: value for key, value in (("tenant", tenant), ("region", region)) if value}
        status, body = await answer_to(app, bearer(tokens[name], **said), bodies[operation])
        case = (name, tenant, operation, region, body)
        if allowed(GRANTS[name], tenant, operation, region):
            assert status in {200, 404}, case
            assert b"not-granted" not in body, case
        else:
            assert (status, json.loads(body)["type"]) == (403, "urn:storescope:error:not-granted"), case


async def test_no_token_and_a_wrong_one_open_nothing(client: tuple[httpx.AsyncClient, dict[str, str]]) -> None:
    bridge, tokens = client
    right = tokens["everything"]
    for given in ("", "Bearer", "Bearer ", "Bearer wrong", f"Basic {right}", f"Bearer {right}x", right):
        for path in ("/v1/storage", "/v1/storage/batch", "/v1/info", "/metrics"):
            method = "POST" if "storage" in path else "GET"
            answer = await bridge.request(method, path, headers={"Authorization": given} if given else {})
            assert answer.status_code == 401, (given, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert right not in answer.text
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert (await bridge.get(path)).status_code == 200


async def test_metrics_are_granted_by_name(client: tuple[httpx.AsyncClient, dict[str, str]]) -> None:
    bridge, tokens = client
    for name in GRANTS:
        answer = await bridge.get("/metrics", headers=bearer(tokens[name]))
        assert answer.status_code == (200 if name == "scraper" else 403)


async def test_a_batch_with_one_call_that_is_not_granted_makes_none(
    client: tuple[httpx.AsyncClient, dict[str, str]],
) -> None:
    bridge, tokens = client
    calls = [{"op": op, "params": params(op)} for op in ("session.set", "message.set")]
    answer = await bridge.post("/v1/storage/batch", json={"calls": calls}, headers=bearer(tokens["sessions"]))
    assert answer.status_code == 403
    got = {"op": "session.get", "params": {"id": "r"}}
    found = await bridge.post("/v1/storage", json=got, headers=bearer(tokens["sessions"]))
    assert found.json() == {"result": None}


async def test_a_header_given_twice_is_refused(client: tuple[httpx.AsyncClient, dict[str, str]]) -> None:
    """A proxy in front may have looked at the other one."""
    bridge, tokens = client
    for name in ("Storescope-Tenant", "Storescope-Region", "Authorization"):
        headers = [*bearer(tokens["everything"]).items(), (name, "acme"), (name, "globex")]
        answer = await bridge.post("/v1/storage", json={}, headers=headers)
        assert answer.status_code == 400, name


@pytest.mark.parametrize(
    "header",
    [
        {"Storescope-Tenant": "%ff"},
        {"Storescope-Actor": ""},
        {"Storescope-Attempt": "0"},
        {"Storescope-Call-Id": "a b"},
    ],
)
async def test_a_malformed_header_is_refused(
    client: tuple[httpx.AsyncClient, dict[str, str]], header: dict[str, str]
) -> None:
    bridge, tokens = client
    answer = await bridge.post("/v1/storage", json={}, headers={**bearer(tokens["everything"]), **header})
    assert answer.json()["type"] == "urn:storescope:error:malformed"


async def test_a_token_has_a_rate(tmp_path: Path) -> None:
    token = make_token(tmp_path / "tokens.toml", rate=2)
    async with opened(ServeOptions(backend="memory:")) as stack:
        gate = Gate(TokenFile(tmp_path / "tokens.toml"), frozenset())
        app = Starlette(routes=bridge_routes(stack, gate, Health(stack, gate)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bridge") as bridge:
            body = {"calls": [{"op": "session.get", "params": {"id": "a"}}] * 50}
            first = await bridge.post("/v1/storage/batch", json=body, headers=bearer(token))
            second = await bridge.post("/v1/storage/batch", json=body, headers=bearer(token))
    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["retry-after"]) >= 1
    assert second.json()["retryable"] is True


def test_tokens_change_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storescope.apps.serve._tokens.LOOK_SECONDS", 0.0)
    path = tmp_path / "tokens.toml"
    old = make_token(path, "old")
    tokens = TokenFile(path)
    new = make_token(path, "new")
    assert {grant.name for token in (old, new) if (grant := tokens.find(token))} == {"old", "new"}
    path.write_text("no toml [")
    assert tokens.find(new) is not None  # what is wrong changes nothing
    path.unlink()
    rotated = make_token(path, "new")
    assert (tokens.find(old), tokens.find(new)) == (None, None)
    assert tokens.find(rotated) is not None


def test_a_token_is_nowhere_but_with_its_owner(tmp_path: Path) -> None:
    token = make_token(tmp_path / "tokens.toml")
    assert token not in (tmp_path / "tokens.toml").read_text()
    assert (tmp_path / "tokens.toml").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    make_token(path, "old", tenants=["café"])
    before = path.read_bytes()
    with pytest.raises(ServeError, match="surrogate"):
        make_token(path, "new", tenants=["\ud800"])
    with pytest.raises(ServeError, match="operations"):
        make_token(path, "new", operations=["session.drop"])
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before
    with pytest.raises(ServeError, match="cannot be written"):
        make_token(tmp_path / "nowhere" / "tokens.toml")


HASH = "0" * 64
ENTRY = f'[tokens.a]\nsha256 = "{HASH}"\ntenants = ["*"]\noperations = ["*"]\nregions = ["*"]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "one or more"),
        ("[tokens]\na = 1", "tokens.a"),
        (ENTRY.replace(HASH, "secret"), "64 hex digits"),
        (ENTRY.replace('tenants = ["*"]', ""), "tokens.a.tenants"),
        (ENTRY.replace('regions = ["*"]', "regions = [1]"), "tokens.a.regions"),
        (ENTRY.replace('operations = ["*"]', 'operations = ["session.drop"]'), "tokens.a.operations"),
        (ENTRY + "rate = 0\n", "tokens.a.rate"),
        (ENTRY + "more = 1\n", "tokens.a"),
        ("\udcff", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(ServeError, match=r"tokens\.toml") as refused:
        TokenFile(path)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    make_token(path)
    path.chmod(0o640)
    with pytest.raises(ServeError, match="chmod 600"):
        TokenFile(path)
