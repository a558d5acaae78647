"""`dynamodb://`: what can be wrong with URL, table, key and credentials; what is throttled; whose region it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import BackendError, wrap
from storescope.backends import open_backend
from storescope.backends._dynamodb_schema import DEFINITION, check_description, cloudformation
from storescope.middleware import metrics
from tests.backends.dynamodb_gate import Gate
from tests.backends.test_secrets import shown
from tests.dynamodb_servers import client
from tests.policies import REGION

if TYPE_CHECKING:
    from tests.dynamodb_servers import Dynalite

SECRET = "hunter2-canary"


async def refusal(url: str, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await open_backend(url, **options)
    assert SECRET not in shown(caught.value)
    return caught.value


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
    with Gate(None, code, message=SECRET) as gate:
        error = await refusal(f"dynamodb://agents?region=eu-west-1&endpoint_url={gate.endpoint}")
    assert says in str(error)
    assert error.driver_error == f"botocore.ClientError:{code}"
    assert not error.retryable
    assert "AKIACANARY" not in shown(error)


async def test_what_is_throttled_is_asked_again_and_counted(shared_dynalite: Dynalite, dynamodb_url: str) -> None:
    registry = CollectorRegistry()
    wrap({}, metrics(registry=registry))
    with Gate(shared_dynalite, "ThrottlingException") as gate:
        gate.left = 1
        async with open_backend(behind(gate, shared_dynalite, dynamodb_url), name="db") as backend:
            gate.left = 1
            await backend["setup.set"](id="s", value={"a": 1})
            counted = registry.get_sample_value(
                "agent_storage_backend_retries_total", {"backend": "db", "region": "unknown"}
            )
            assert await backend["setup.get"](id="s") == {"a": 1}
    assert counted == gate.refused == 2


async def test_what_stays_throttled_is_retryable_and_was_not_applied(
    shared_dynalite: Dynalite, dynamodb_url: str
) -> None:
    with Gate(shared_dynalite, "ProvisionedThroughputExceededException", message=SECRET) as gate:
        gate.left = 0
        url = behind(gate, shared_dynalite, dynamodb_url)
        async with open_backend(url, max_attempts=2) as backend:
            gate.left = 2
            with pytest.raises(BackendError) as caught:
                await backend["setup.set"](id="s", value={"a": SECRET})
            assert gate.left == 0
            assert await backend["setup.get"](id="s") is None
    assert caught.value.retryable
    assert not caught.value.maybe_applied
    assert caught.value.driver_error == "botocore.ClientError:ProvisionedThroughputExceededException"
    assert SECRET not in shown(caught.value)


def behind(gate: Gate, server: Dynalite, url: str) -> str:
    return url.replace(server.endpoint, gate.endpoint)


async def test_the_region_is_the_tables_own(dynamodb_url: str) -> None:
    for given, declared in (("eu-west-1", "aws:eu-west-1"), ("aws:eu-west-1", "aws:eu-west-1")):
        async with open_backend(dynamodb_url, region=given) as backend:
            assert backend.info.region == declared


async def test_a_table_that_was_restored_is_another_place(shared_dynalite: Dynalite, dynamodb_url: str) -> None:
    """It has the marker and the name, and a region may have been chosen anew: nothing but the table's id tells."""
    async with open_backend(dynamodb_url) as backend:
        table = backend.info.namespace
        await backend.admin.mark(REGION)
    async with open_backend(dynamodb_url, probe=True) as backend:
        assert (backend.info.region, backend.info.region_confidence) == (REGION, "probed")
    async with client(shared_dynalite.endpoint) as raw:
        (marker,) = (await raw.scan(TableName=table))["Items"]
        await raw.delete_table(TableName=table)
        await raw.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
        await (await open_backend(dynamodb_url)).aclose()
        await raw.put_item(TableName=table, Item=marker)
    async with open_backend(dynamodb_url, probe=True) as backend:
        assert backend.info.region_confidence == "conflict"
