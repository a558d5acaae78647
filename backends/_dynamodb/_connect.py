"""From a URL to a client of a table, with one clear line for each thing that can be wrong."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as aws
from botocore.loaders import Loader

from storescope import BackendError
from storescope.backends._aws import aws_region
from storescope.backends._dynamodb._connection import linked
from storescope.backends._dynamodb._errors import DRIVER_ERRORS, backend_error, error_code
from storescope.backends._dynamodb_schema import DEFINITION, check_description, check_table_name

if TYPE_CHECKING:
    from storescope.backends._dynamodb._connection import DynamoLinks
    from storescope.backends._options import Target
    from storescope.backends._tables import Site

_STAND_IN_REGION = "us-east-1"
"""A request's signature names a region; a server that is not AWS's does not care which."""

_CREATION = {"Delay": 1, "MaxAttempts": 120}  # seconds; AWS takes some ten of them to make a table


@dataclass(frozen=True, slots=True)
class DynamoOptions:
    """What `dynamodb://` takes.

    Attributes:
        create: Whether to make the table if it is missing (on-demand billing), and wait until it can be used.
        endpoint_url: Where to find DynamoDB, if not at AWS's address for the region.
        connect_timeout: The longest wait for a new connection, in seconds.
        timeout: The longest wait for a free connection and all replies of a call together, in seconds.
        max_connections: How many requests are under way at most.
        max_attempts: How often a request is made at most, the first included, while DynamoDB throttles it.
    """

    create: bool = False
    endpoint_url: str = ""
    connect_timeout: float = 2.0
    timeout: float = 5.0
    max_connections: int = 20
    max_attempts: int = 4


class Place(NamedTuple):
    """Where the table is.

    Attributes:
        table: Its name.
        host: The endpoint's host.
        port: The endpoint's port.
        region: `aws:eu-west-1`; None of a server that is not AWS's and whose region nobody named.
        table_id: DynamoDB's own id of the table; empty if the server gives none.
    """

    table: str
    host: str
    port: int
    region: str | None
    table_id: str = ""


class Connected(NamedTuple):
    """A client of a table that can be used.

    Attributes:
        client: The client.
        place: Where the table is.
        stack: Closes the client.
    """

    client: Any
    place: Place
    stack: AsyncExitStack


async def connect(target: Target, options: DynamoOptions, site: Site, links: DynamoLinks) -> Connected:
    """Connect, and make sure that the table can be used; make it if that is asked for.

    Raises:
        BackendError: If it cannot be reached or used. Nothing was changed.
    """
    table = _read_table(target)
    _check_options(options)
    stack = AsyncExitStack()
    try:
        client = await stack.enter_async_context(_make_client(options, site.region, links))
        links.watch(client.meta.events)
        place = _find_place(table, client.meta, site.region)
        table_id = await _check_table(client, place, options)
    except DRIVER_ERRORS as error:
        await stack.aclose()
        raise _explain(error, table) from None
    except BaseException:
        await stack.aclose()
        raise
    return Connected(client, place._replace(table_id=table_id), stack)


def _read_table(target: Target) -> str:
    if not target.rest.startswith("//"):
        raise BackendError("a DynamoDB URL is dynamodb://TABLE?region=eu-west-1")
    if "@" in target.rest:
        raise BackendError(
            "a DynamoDB URL holds no credentials; they come from the environment, a profile or a role, "
            "as for every AWS SDK"
        )
    return check_table_name(target.rest.strip("/"))


def _check_options(options: DynamoOptions) -> None:
    if min(options.timeout, options.connect_timeout) <= 0:
        raise BackendError("the time-outs must be above 0 seconds")
    if min(options.max_connections, options.max_attempts) < 1:
        raise BackendError("the options max_connections and max_attempts must be 1 or more")
    if options.endpoint_url:
        try:
            parts = urlsplit(options.endpoint_url)
            sound = (
                parts.scheme in {"http", "https"}
                and parts.hostname
                and parts.port != 0
                and "@" not in parts.netloc
            )
        except ValueError:
            sound = False
        if not sound:
            raise BackendError("the option endpoint_url must be http://HOST[:PORT]/ or https://HOST[:PORT]/")


def _make_client(options: DynamoOptions, region: str | None, links: DynamoLinks) -> Any:
    session = AioSession()
    session.register_component("data_loader", _loader())
    config = AioConfig(
        retries={"mode": "standard", "total_max_attempts": options.max_attempts},
        connect_timeout=options.connect_timeout,
        read_timeout=options.timeout,
        max_pool_connections=options.max_connections,
        http_session_cls=linked(links),
    )
    name = _signing_region(region, session, options)
    return session.create_client(
        "dynamodb", region_name=name, endpoint_url=options.endpoint_url or None, config=config
    )


@cache
def _loader() -> Loader:
    """Return what reads the SDK's models: it keeps them, and to read them anew takes a tenth of a second."""
    return Loader()


def _signing_region(region: str | None, session: AioSession, options: DynamoOptions) -> str:
    named = aws_region(urlsplit(options.endpoint_url).hostname or "")
    for known in (region, named):
        if known and known.startswith("aws:"):
            return known.removeprefix("aws:")
    if region and not options.endpoint_url:
        raise BackendError("the region of a DynamoDB table is an AWS region, such as eu-west-1")
    configured: Any = session.get_config_variable("region")
    if not configured and not options.endpoint_url:
        raise BackendError("no region: name it in the URL, dynamodb://TABLE?region=eu-west-1, or in AWS_REGION")
    return configured or _STAND_IN_REGION


def _find_place(table: str, meta: Any, region: str | None) -> Place:
    """Return where the table is, by the endpoint that the client dials, whatever the client was told.

    Raises:
        BackendError: If `region` is not the one in the endpoint's name.
    """
    parts = urlsplit(meta.endpoint_url)
    host = parts.hostname or ""
    named = aws_region(host)
    if region and named and region != named:
        raise BackendError(f"the region is given as {region}, and by its name the endpoint {host} is in {named}")
    return Place(table, host, parts.port or (443 if parts.scheme == "https" else 80), region or named)


async def _check_table(client: Any, place: Place, options: DynamoOptions) -> str:
    """Return the table's id."""
    try:
        async with asyncio.timeout(max(options.connect_timeout, options.timeout)):
            described = await _describe(client, place.table)
            if described is None and options.create:
                await _create(client, place.table)
    except TimeoutError:
        raise BackendError(
            f"dynamodb: no reply from {place.host}:{place.port} within {options.timeout:g} s",
            driver_error="botocore.TimeoutError",
            retryable=True,
        ) from None
    if options.create and (described is None or described["TableStatus"] == "CREATING"):
        waiter = client.get_waiter("table_exists")  # exists, and is active
        await waiter.wait(TableName=place.table, WaiterConfig=_CREATION)
        described = await _describe(client, place.table)
    if described is None:
        raise BackendError(
            f"dynamodb: there is no table {place.table} in {place.region or place.host}; open it once with "
            f"create=true, or make it from: storescope dynamodb cloudformation {place.table}"
        )
    check_description(described)
    if described["TableStatus"] in {"CREATING", "DELETING"}:
        raise BackendError(
            f"dynamodb: the table {place.table} is {described['TableStatus'].lower()}; try again later",
            driver_error="botocore.ClientError:ResourceInUseException",
            retryable=True,
        )
    return str(described.get("TableId", ""))


async def _describe(client: Any, table: str) -> dict[str, Any] | None:
    try:
        described: dict[str, Any] = (await client.describe_table(TableName=table))["Table"]
    except aws.ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return None
        raise
    return described


async def _create(client: Any, table: str) -> None:
    try:
        await client.create_table(TableName=table, **DEFINITION)
    except aws.ClientError as error:
        if error_code(error) != "ResourceInUseException":  # another process is at it, or has done it
            raise


_REFUSED = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def _explain(error: Exception, table: str) -> BackendError:
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError):
        what = (
            "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "choose a profile with AWS_PROFILE, or give this machine a role"
        )
    elif error_code(error) in _REFUSED:
        what = "AWS refuses these credentials: they are wrong, revoked or expired; renew them"
    elif error_code(error) == "AccessDeniedException":
        what = "these credentials lack a permission; see 'DynamoDB' in docs/backends.md"
    elif isinstance(error, aws.ProfileNotFound):
        what = "the profile that AWS_PROFILE names is not in the AWS configuration"
    elif isinstance(error, aws.WaiterError):
        what = f"the table {table} did not become active; look at it in the AWS console"
    elif isinstance(error, aws.ConnectionError | aws.HTTPClientError | OSError):
        what = "cannot reach the endpoint; look at the region, endpoint_url and the network"
    else:
        what = f"the table {table} cannot be used"
    return backend_error(what, error)
