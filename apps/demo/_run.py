"""Sets the stack up, runs the agent on it, and gathers what the four middlewares saw."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from storescope import AuditError, ResidencyError, StorageClient, Store, call_context, wrap
from storescope.apps.demo._agent import Agent
from storescope.apps.demo._report import AuditTrail, Denial, Measured, Report, SpanNode
from storescope.backends import open_backend
from storescope.middleware import (
    AuditLog,
    ResidencyPolicy,
    audit,
    instrument_drivers,
    metrics,
    region_guard,
    tracing,
)
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._verify import verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from storescope import BackendInfo, Call, Handlers, Operation, Step
    from storescope.middleware import Decision

REGION, FORBIDDEN_REGION = "aws:eu-west-1", "aws:us-east-1"
TENANT = "acme"
HOME = Path(".storescope") / "demo"
POLICY = """\
# The demo's policy: acme's agent data rests in Europe, and is touched from Europe only.
schema = "residency/1"
version = "demo"
mode = "enforce"
min_confidence = "declared"

[regions]
eu = ["aws:eu-west-1", "aws:eu-central-1"]

[tenants]
acme = "eu-only"

[rules.eu-only]
store = ["eu"]
access = ["eu"]
home = "aws:eu-west-1"
"""
_LAST_RECORDS = 8


class _Contacts:
    """Counts the calls that reach the backend: a middleware of one's own."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        del operation, backend

        def step(call: Call) -> Awaitable[Any]:
            self.count += 1
            return next_step(call)

        return step


async def run(
    url: str,
    folder: Path,
    *,
    home: Path = HOME,
    tracer_provider: TracerProvider | None = None,
    registry: CollectorRegistry | None = None,
) -> Report:
    """Run the demo.

    Args:
        url: The backend to store to.
        folder: The folder that the agent looks at.
        home: Where keys, policy and audit log are left.
        tracer_provider: Where the spans go, beside the report; one of its own if left out.
        registry: Where the metrics are; one of its own if left out.

    Returns:
        What was done and seen.

    Raises:
        StorageError: If the backend cannot be opened, or `home` cannot be written.
    """
    public, secret = prepare(home)
    policy = ResidencyPolicy.load(home / "policy.toml")
    spans, registry, contacts = InMemorySpanExporter(), registry or CollectorRegistry(), _Contacts()
    provider = tracer_provider or TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrument_drivers(tracer_provider=provider)
    async with (
        open_backend(url, region=REGION) as backend,
        AuditLog.open(home / "audit", auditor=public) as log,
    ):
        handlers = wrap(
            backend,
            tracing(tracer_provider=provider),
            metrics(registry=registry),
            audit(log),
            region_guard(policy, caller_region=REGION),
            contacts,
        )
        client = StorageClient(_storage(handlers))
        agent = Agent(client, provider.get_tracer("demo-agent"), folder)
        with call_context(tenant=TENANT, actor="demo-agent", region=REGION):
            turns = await agent.run()
        trace = _trees(spans.get_finished_spans())
        denial = await _denied_call(client, agent.session_id, contacts)
        where = backend.info
    provider.shutdown()
    return Report(
        backend=f"{where.system} {where.address or where.namespace}".strip(),
        session=agent.session_id,
        turns=turns,
        trace=trace,
        metrics=_measured(registry),
        audit=_audit_trail(home, secret),
        denial=denial,
    )


def prepare(home: Path = HOME) -> tuple[Path, Path]:
    """Write the policy and, at the first run, the auditor's keys; each run adds a stream to the log.

    Args:
        home: Where they are left.

    Returns:
        The public key and the secret one.

    Raises:
        AuditError: If `home` cannot be written.
    """
    public, secret = home / "auditor.pub", home / "auditor.key"
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / "policy.toml").write_text(POLICY, encoding="utf-8")
    except OSError as error:
        raise AuditError(f"{home}: the demo's folder cannot be written: {error.strerror}") from None
    if not public.exists():
        generate(home / "auditor")
    return public, secret


def _storage(handlers: Handlers) -> Callable[[Store], Awaitable[Any]]:
    """Return the storage function that the agent is given."""

    async def storage(store: Store) -> Any:
        return await store.on(handlers)

    return storage


async def _denied_call(client: StorageClient, session_id: str, contacts: _Contacts) -> Denial:
    """Make a call that the policy forbids."""
    before = contacts.count
    with call_context(tenant=TENANT, actor="demo-agent", region=FORBIDDEN_REGION):
        try:
            await client.session.get(session_id)
        except ResidencyError as denied:
            error, decision = str(denied), cast("Decision", denied.decision)
        else:
            raise AssertionError("the demo's policy forbids this call")
    return Denial(
        call=f"session.get for tenant {TENANT} from {FORBIDDEN_REGION}",
        error=error,
        code=decision.code,
        rule=decision.rule,
        facts={name: fact.value for name, fact in decision.facts.items()},
        would_allow_if=decision.would_allow_if,
        backend_contacted=contacts.count != before,
    )


def _trees(finished: Sequence[ReadableSpan]) -> list[SpanNode]:
    """Put the spans in the order in which they began, each below its parent."""
    nodes: dict[int, SpanNode] = {}
    roots: list[SpanNode] = []
    for span in sorted(finished, key=lambda span: span.start_time or 0):
        took = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
        outcome = (span.attributes or {}).get("agent_storage.outcome")
        node = SpanNode(span.name, took, None if outcome is None else str(outcome))
        context = span.get_span_context()
        if context is not None:
            nodes[context.span_id] = node
        parent = nodes.get(span.parent.span_id) if span.parent else None
        (roots if parent is None else parent.children).append(node)
    return roots


def _measured(registry: CollectorRegistry) -> list[Measured]:
    """Read the metrics back, as Prometheus would."""
    outcomes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    seconds: defaultdict[str, float] = defaultdict(float)
    for family in registry.collect():
        for sample in family.samples:
            operation = sample.labels.get("operation", "")
            if sample.name == "agent_storage_operations_total" and sample.value:
                outcomes[operation][sample.labels["outcome"]] = int(sample.value)
            elif sample.name == "agent_storage_operation_duration_seconds_sum":
                seconds[operation] += sample.value
    return [
        Measured(operation, calls := sum(ended.values()), ended, seconds[operation] / calls * 1e3)
        for operation, ended in outcomes.items()
    ]


def _audit_trail(home: Path, secret: Path) -> AuditTrail:
    """Verify the whole log, and read the last records of this run."""
    folder = home / "audit"
    report = verify(folder, secret)
    newest = max(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    records = [json.loads(line) for line in newest.read_text(encoding="ascii").splitlines()]
    return AuditTrail(
        folder=str(folder),
        key=str(secret),
        records=len(records),
        last=records[-_LAST_RECORDS:],
        verdict=report.verdict.name.lower(),
        summary=report.summary(),
    )
