"""From a URL to a bucket that can be used, with one clear line for each thing that can be wrong."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from os import environ
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from obstore.store import S3Store

from storescope import BackendError
from storescope.backends._kv._s3_errors import CONFLICTS, DRIVER_ERRORS, backend_error, read_answer

if TYPE_CHECKING:
    from storescope.backends._options import Target

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PROBE = "conditional-writes"
_NO_VERSION = '"storescope"'  # an ETag that no object has


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it may hold a secret
class S3Options:
    """What `s3://` takes.

    Attributes:
        endpoint: The URL of a server that is not AWS's.
        aws_region: The bucket's region; else AWS_REGION or AWS_DEFAULT_REGION, else us-east-1.
        access_key_id: The credentials. Left empty, they come from where AWS's own tools look for them: the
            environment, a web identity, the container's or the instance's role.
        secret_access_key: The same.
        session_token: The same.
        connect_timeout: The longest wait for a connection, in seconds.
        timeout: The longest wait for the answer to one request, in seconds.
        max_requests: How many requests are under way at once.
    """

    endpoint: str = ""
    aws_region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    connect_timeout: float = 5.0
    timeout: float = 10.0
    max_requests: int = 32

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self.aws_region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


class Address(NamedTuple):
    """Where the objects are.

    Attributes:
        bucket: The bucket.
        prefix: What all their names begin with; may be empty.
        host: The server's.
        port: Its port; None for AWS.
    """

    bucket: str
    prefix: str
    host: str
    port: int | None


def read_address(target: Target, options: S3Options) -> Address:
    """Take the URL and the endpoint apart.

    Raises:
        BackendError: If they are not `s3://BUCKET[/PREFIX]` and a URL.
    """
    bucket, _, prefix = target.rest.removeprefix("//").partition("/")
    if not target.rest.startswith("//") or not _BUCKET.fullmatch(bucket):
        raise BackendError("an S3 URL is s3://BUCKET[/PREFIX]; credentials are options, or in the environment")
    if min(options.timeout, options.connect_timeout) <= 0 or options.max_requests < 1:
        raise BackendError("the time-outs must be above 0 seconds, and max_requests 1 or more")
    if bool(options.access_key_id) != bool(options.secret_access_key):
        raise BackendError("the options access_key_id and secret_access_key are given both, or neither")
    if not options.endpoint:
        return Address(bucket, prefix.strip("/"), f"s3.{options.region}.amazonaws.com", None)
    try:
        parts = urlsplit(options.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError  # noqa: TRY301 (to the one text below)
        return Address(bucket, prefix.strip("/"), parts.hostname, parts.port or _PORTS[parts.scheme])
    except ValueError:
        raise BackendError(
            "the option endpoint must be a URL, http://HOST[:PORT] or https://HOST[:PORT]"
        ) from None


_PORTS = {"http": 80, "https": 443}


def make_store(address: Address, options: S3Options) -> S3Store:
    """Return a client. Nothing is sent yet."""
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("endpoint", "access_key_id", "secret_access_key", "session_token")
        if getattr(options, name)
    }
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        region=options.region,
        client_options={
            "allow_http": options.endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=options.connect_timeout),
            "timeout": timedelta(seconds=options.timeout + 1),  # the caller's own time-out comes first
        },
        retry_config={"max_retries": 0},  # a second try of the client's could undo a later write of somebody else
        **given,
    )


async def check_bucket(store: S3Store, address: Address, options: S3Options) -> None:
    """Make sure that the bucket is there, may be listed and written, and holds writes to their conditions.

    It leaves one empty object, `conditional-writes`.

    Raises:
        BackendError: If not.
    """
    try:
        async with asyncio.timeout(3 * options.timeout):
            await _list_one(store)
            await _check_conditions(store)
    except TimeoutError:
        raise BackendError(
            f"s3: no answer from {address.host} in time", driver_error="obstore.TimeoutError", retryable=True
        ) from None
    except DRIVER_ERRORS as error:
        raise _explain(error, address) from None


async def _list_one(store: S3Store) -> None:
    async for _ in store.list(chunk_size=1):
        return


async def _check_conditions(store: S3Store) -> None:
    with suppress(*CONFLICTS):
        await store.put_async(_PROBE, b"", mode="create", use_multipart=False)
    for mode in ("create", {"e_tag": _NO_VERSION}):
        try:
            await store.put_async(_PROBE, b"", mode=mode, use_multipart=False)  # type: ignore[arg-type] # both are modes
        except CONFLICTS:
            continue
        raise BackendError(
            "s3: this server does not hold writes to their conditions (If-None-Match, If-Match), "
            "which the KV layer needs; AWS S3 does, and so do MinIO and SeaweedFS"
        )


_CAUSES = {
    "NoSuchBucket": "{host} has no bucket of this name; create it, or correct the URL",
    "SignatureDoesNotMatch": "{host} refuses the secret_access_key",
    "InvalidAccessKeyId": "{host} does not know the access_key_id",
    "ExpiredToken": "the session_token has expired",
    "AccessDenied": "these credentials may not list, read or write the bucket; they need s3:ListBucket, "
    "s3:GetObject, s3:PutObject and s3:DeleteObject",
    "NotImplemented": "{host} has no conditional writes (If-None-Match, If-Match), which the KV layer needs",
    "PermanentRedirect": "the bucket is in another region; look at aws_region",
    "AuthorizationHeaderMalformed": "the bucket is in another region; look at aws_region",
}
_NO_CREDENTIALS = (
    "no credentials: give access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
    "in the environment, or run where a role provides them"
)
_METADATA_SERVICE = "http://169.254.169.254/"


def _explain(error: Exception, address: Address) -> BackendError:
    answer = read_answer(error)
    if _METADATA_SERVICE in str(error):
        what = _NO_CREDENTIALS
    elif answer.code in _CAUSES:
        what = _CAUSES[answer.code]
    elif answer.status:
        what = "{host} cannot be used"
    else:
        what = "cannot reach {host}; is a server running there?"
    explained = backend_error(what.format(host=address.host), error)
    explained.retryable = explained.retryable and what is not _NO_CREDENTIALS
    return explained
