"""The region in the name of an AWS endpoint: from AWS's own names, and from nothing that only looks like one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescope import BackendError, BackendInfo
from storescope.backends._admin import Admin
from storescope.backends._aws import _CODES, aws_region, aws_regions
from storescope.backends._facts import RegionFact, find_region
from storescope.backends._memory import MemoryEngine, MemoryMarker
from storescope.reports import BackendReport

if TYPE_CHECKING:
    from collections.abc import Callable

EU = "agents.c7tj4example.eu-west-1.rds.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (EU, "eu-west-1"),
        ("agents.cluster-c7tj4example.us-east-1.rds.amazonaws.com", "us-east-1"),
        ("agents.cluster-ro-c7tj4example.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("agents.proxy-c7tj4example.ap-southeast-2.rds.amazonaws.com", "ap-southeast-2"),
        ("AGENTS.c7tj4example.EU-West-1.rds.amazonaws.com.", "eu-west-1"),
        ("agents.c6slmrzd0jdl.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("agents.abc123.0001.euw1.cache.amazonaws.com", "eu-west-1"),
        ("master.agents.abc123.use1.cache.amazonaws.com", "us-east-1"),
        ("agents-x1y2z3.serverless.aps1.cache.amazonaws.com", "ap-south-1"),
        ("clustercfg.agents.abc123.apse1.cache.amazonaws.com", "ap-southeast-1"),
        ("agents.abc123.ng.0001.cnw1.cache.amazonaws.com.cn", "cn-northwest-1"),
        ("clustercfg.agents.abc123.memorydb.eu-central-1.amazonaws.com", "eu-central-1"),
        ("dynamodb.eu-west-1.amazonaws.com", "eu-west-1"),
        ("dynamodb-fips.us-gov-east-1.amazonaws.com", "us-gov-east-1"),
        ("111122223333.ddb.eu-west-3.amazonaws.com", "eu-west-3"),
        ("s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("agents.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("s3.us-east-1.amazonaws.com.s3.eu-west-1.amazonaws.com", "eu-west-1"),  # a bucket may be called so
        ("s3.dualstack.eu-north-1.amazonaws.com", "eu-north-1"),
    ],
)
def test_the_region_is_read_from_the_names_that_aws_gives(host: str, region: str) -> None:
    assert aws_region(host) == f"aws:{region}"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "db.eu-west-1.example.com",
        "evil.rds.amazonaws.com.example.com",
        "agents.x.eu-west-1.rds.amazonaws.com.example.com",
        "agents.x.eu-west-1.rds.amazonaws.com.cn.example.com",
        "agents.x.eu-west-1.rds.evil-amazonaws.com",
        "agents.x.eu-west-1.rds.amazonaws.comx",
        "agents.x.eu-west-1.rds.amazonaws.com\n",
        "agents.x.eu-west-1.rds.amazonaws.com..",
        "agents.x.eu-west-1.rds.amazonaws.com/",
        "agents.x.eu-west-1.rds@amazonaws.com",
        "agents x.eu-west-1.rds.amazonaws.com",
        "eu-west-1.rds.amazonaws.com",
        "agents.global-c7tj4example.global.rds.amazonaws.com",  # a global database: it moves between regions
        "agents.abc123.zzz9.cache.amazonaws.com",  # a short code that we do not know
        "euw1.cache.amazonaws.com",
        "dynamodb.amazonaws.com",
        "s3.amazonaws.com",
        "agents.s3.amazonaws.com",
    ],
)
def test_a_name_that_only_looks_like_one_gives_no_fact(host: str) -> None:
    assert aws_region(host) is None


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
LABELS = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
REGION = st.sampled_from(sorted(_CODES.values()))
SERVICES: list[Callable[[str, str], str]] = [
    lambda name, region: f"{name}.{region}.rds",
    lambda name, region: f"{name}.rds.{region}",
    lambda name, region: f"{name}.memorydb.{region}",
    lambda name, region: f"{name}.s3.{region}",
    lambda name, region: f"{name}.{next(code for code, of in _CODES.items() if of == region)}.cache",
    lambda _, region: f"dynamodb.{region}",
]
SUFFIX = st.sampled_from([".amazonaws.com", ".amazonaws.com.cn"])


@given(LABELS, REGION, st.sampled_from(SERVICES), SUFFIX, LABELS)
def test_only_the_end_of_a_name_counts(
    name: str, region: str, service: Callable[[str, str], str], suffix: str, other: str
) -> None:
    host = service(name, region) + suffix
    assert aws_region(host) == f"aws:{region}"
    assert aws_region(service(f"{name}.us-east-1.rds.amazonaws.com.{name}", region) + suffix) == f"aws:{region}"
    if other != "cn":
        assert aws_region(f"{host}.{other}") is None


@given(st.text(), st.text())
def test_no_text_breaks_it_and_aws_alone_is_believed(before: str, after: str) -> None:
    for text in (before, f"{before}amazonaws.com{after}"):
        region = aws_region(text)
        assert region is None or text.lower().removesuffix(".").endswith((".amazonaws.com", ".amazonaws.com.cn"))


def test_each_host_of_a_list_has_its_own() -> None:
    assert aws_regions(f"{EU}:5432,db2:5433,{EU}") == ["aws:eu-west-1", None, "aws:eu-west-1"]


OTHER = EU.replace("eu-west-1", "us-east-1")


@pytest.mark.parametrize(
    ("declared", "address", "fact"),
    [
        (None, "db1", (None, "declared")),
        ("aws:eu-west-1", "db1", ("aws:eu-west-1", "declared")),
        (None, EU, ("aws:eu-west-1", "probed")),
        ("aws:eu-west-1", EU, ("aws:eu-west-1", "probed")),
        ("aws:us-east-1", EU, ("aws:us-east-1", "conflict")),
        (None, f"{EU}:5432,{EU}", ("aws:eu-west-1", "probed")),
        (None, f"{EU}:5432,{OTHER}", ("aws:eu-west-1", "conflict")),
        ("aws:eu-west-1", f"{EU}:5432,db2", ("aws:eu-west-1", "declared")),  # of db2, nobody but region= knows
    ],
)
async def test_the_name_of_the_endpoint_is_a_fact_beside_region(
    declared: str | None, address: str, fact: tuple[str | None, str], caplog: pytest.LogCaptureFixture
) -> None:
    info = BackendInfo("postgresql", address=address)
    with caplog.at_level(logging.WARNING, "storescope"):
        assert await find_region(declared, info, MemoryMarker(), probe=False) == RegionFact(*fact)
    assert len(caplog.records) == (fact[1] == "conflict")
    if caplog.records:
        assert "conflict" in caplog.text
        assert "aws:eu-west-1" in caplog.text
        assert "aws:us-east-1" in caplog.text


async def test_a_marker_against_the_name_of_the_endpoint_is_not_even_written() -> None:
    admin = Admin(MemoryEngine(BackendReport()), str, BackendInfo("postgresql", address=EU))
    with pytest.raises(BackendError, match="by its name, this host is in aws:eu-west-1"):
        await admin.mark("aws:us-east-1", replace=True)
