"""The region that the name of an AWS endpoint carries.

AWS alone gives out names under `amazonaws.com`, and a regional endpoint's name holds its region: a client that
was told another one is told wrong. A name says where the endpoint is, not where copies of its data go.
"""

from __future__ import annotations

import re

_LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_REGION = r"(?P<region>[a-z]{2,4}(?:-[a-z]+)+-[1-9][0-9]?)"
_CODE = r"(?P<code>[a-z]+[1-9])"
_ENDPOINTS = tuple(
    re.compile(rf"{name}\.amazonaws\.com(?:\.cn)?")
    for name in (
        rf"{_LABELS}\.{_REGION}\.rds",  # RDS, Aurora, RDS Proxy
        rf"{_LABELS}\.rds\.{_REGION}",  # the same, in China and GovCloud
        rf"{_LABELS}\.{_CODE}\.cache",  # ElastiCache
        rf"{_LABELS}\.memorydb\.{_REGION}",
        rf"dynamodb(?:-fips)?\.{_REGION}",
        rf"{_LABELS}\.ddb\.{_REGION}",  # DynamoDB, by account
        rf"(?:{_LABELS}\.)?s3(?:-fips)?(?:\.dualstack)?\.{_REGION}",
    )
)
_CODES = {
    "afs1": "af-south-1",
    "ape1": "ap-east-1",
    "apne1": "ap-northeast-1",
    "apne2": "ap-northeast-2",
    "aps1": "ap-south-1",
    "aps2": "ap-south-2",
    "apse1": "ap-southeast-1",
    "apse2": "ap-southeast-2",
    "apse3": "ap-southeast-3",
    "cac1": "ca-central-1",
    "cnn1": "cn-north-1",
    "cnw1": "cn-northwest-1",
    "euc1": "eu-central-1",
    "euc2": "eu-central-2",
    "eun1": "eu-north-1",
    "eus1": "eu-south-1",
    "eus2": "eu-south-2",
    "euw1": "eu-west-1",
    "euw2": "eu-west-2",
    "euw3": "eu-west-3",
    "ilc1": "il-central-1",
    "mec1": "me-central-1",
    "mes1": "me-south-1",
    "sae1": "sa-east-1",
    "use1": "us-east-1",
    "use2": "us-east-2",
    "usgw1": "us-gov-west-1",
    "usw1": "us-west-1",
    "usw2": "us-west-2",
}
"""ElastiCache's short codes, as endpoints in public show them. One that is not here gives no fact."""


def aws_region(host: str) -> str | None:
    """Return the region that a host's name carries, `aws:eu-west-1`; None if it carries none, or is not AWS's."""
    name = host.lower().removesuffix(".")
    match = next(filter(None, (endpoint.fullmatch(name) for endpoint in _ENDPOINTS)), None)
    if match is None:
        return None
    named = match.groupdict()
    region = named.get("region") or _CODES.get(named.get("code", ""))
    return region and f"aws:{region}"


def aws_regions(address: str) -> list[str | None]:
    """Return the same for each host of a backend's address: a Postgres URL may list several, with their ports."""
    return [aws_region(re.sub(r":\d+$", "", host)) for host in address.split(",")]
