"""Labels: added on every write, taken off on every read, and a record without the right one is denied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from storescope import (
    BackendInfo,
    InvalidRecordError,
    PolicyError,
    RecordNotFoundError,
    ResidencyError,
    WrapError,
    call_context,
    wrap,
)
from storescope.backends import Backend, open_backend
from storescope.middleware import AuditLog, ResidencyPolicy, audit, metrics, region_guard
from storescope.middleware._region._labels import FIELD, Labels
from tests.middleware.helpers import memory_map
from tests.region.policies import EU, EU_2, US, sound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope import Handlers

TENANTS = {"acme": "eu-only", "globex": "eu-only"}
POLICY = ResidencyPolicy.from_dict(sound(tenants=TENANTS, exceptions=[]))
MONITORING = ResidencyPolicy.from_dict(sound(tenants=TENANTS, exceptions=[], mode="monitor"))
ENTITIES = ("session", "message", "part", "sandbox", "setup")
UPDATED = ("session", "message", "sandbox")
LISTED = ("message", "part")
KEYS = (b"k" * 32, b"old key of 32 bytes ............")


@pytest.fixture
async def bare(backend_url: str) -> AsyncGenerator[Backend, None]:
    """A shipped backend, to write behind the guard's back."""
    async with open_backend(backend_url, region=EU) as backend:
        yield backend


def guarded(bare: Handlers, **options: Any) -> Handlers:
    return wrap(bare, region_guard(options.pop("policy", POLICY), caller_region=EU, **options))


def record_of(entity: str, **fields: Any) -> dict[str, Any]:
    return {"sessionId": "s", **fields} if entity in LISTED else fields


async def denied(code: str, handlers: Handlers, operation: str, **params: Any) -> ResidencyError:
    with pytest.raises(ResidencyError) as caught:
        await handlers[operation](**params)
    assert caught.value.decision.code == code
    line = str(caught.value)
    assert "it would be allowed" in line
    assert "secret" not in line
    assert line.isprintable()
    return caught.value


@pytest.mark.parametrize("keys", [(), KEYS], ids=["plain", "with a MAC"])
@pytest.mark.parametrize("entity", ENTITIES)
async def test_a_label_is_added_on_a_write_and_taken_off_on_a_read(
    entity: str, keys: tuple[bytes, ...], bare: Backend
) -> None:
    handlers = guarded(bare, label_keys=keys)
    value = record_of(entity, a=1)
    with call_context(tenant="acme"):
        await handlers[f"{entity}.set"](id="r", value=value)
        assert FIELD not in value  # the caller's own dict is left alone
        assert await handlers[f"{entity}.get"](id="r") == value
        if entity in LISTED:
            assert await handlers[f"{entity}.listBySession"](session_id="s") == [value]
        if entity in UPDATED:
            updated = await handlers[f"{entity}.update"](id="r", updates={"b": 2})
            assert updated == {**value, "b": 2}
    label = (await bare[f"{entity}.get"](id="r"))[FIELD]
    wanted = {"region": EU, "tenant": "acme"}
    if entity in LISTED:
        wanted["session"] = "s"
    if entity == "session":
        wanted["session"] = "r"
    assert {name: label[name] for name in wanted} == wanted
    assert set(label) == set(wanted) | ({"id", "mac"} if keys else set())


@pytest.mark.parametrize("entity", ENTITIES)
async def test_another_tenants_record_is_neither_read_nor_replaced_nor_changed(entity: str, bare: Backend) -> None:
    handlers = guarded(bare)
    with call_context(tenant="globex"):
        await handlers[f"{entity}.set"](id="r", value=record_of(entity, of="globex"))
    before = await bare[f"{entity}.get"](id="r")
    with call_context(tenant="acme"):
        await denied("label_tenant_mismatch", handlers, f"{entity}.get", id="r")
        await denied("label_tenant_mismatch", handlers, f"{entity}.set", id="r", value=record_of(entity))
        if entity in UPDATED:
            await denied("label_tenant_mismatch", handlers, f"{entity}.update", id="r", updates={"secret": 1})
        if entity in LISTED:
            await denied("label_tenant_mismatch", handlers, f"{entity}.listBySession", session_id="s")
    assert await bare[f"{entity}.get"](id="r") == before


FAULTS: list[tuple[str, Any]] = [
    ("label_missing", None),
    ("label_malformed", "eu"),
    ("label_malformed", ["eu"]),
    ("label_tenant_mismatch", {"region": EU, "session": "s"}),
    ("label_tenant_mismatch", {"region": EU, "session": "s", "tenant": "globex"}),
    ("label_tenant_mismatch", {"region": EU, "session": "s", "tenant": ["acme"]}),
    ("label_region_mismatch", {"tenant": "acme", "session": "s"}),
    ("label_region_mismatch", {"tenant": "acme", "session": "s", "region": EU_2}),
    ("label_session_mismatch", {"tenant": "acme", "region": EU}),
    ("label_session_mismatch", {"tenant": "acme", "region": EU, "session": "t"}),
]


@pytest.mark.parametrize(("code", "label"), FAULTS)
async def test_a_row_that_was_written_behind_the_guard_is_denied(code: str, label: Any, bare: Backend) -> None:
    handlers = guarded(bare)
    rogue = {"sessionId": "s", "text": "secret", FIELD: label}
    if label is None:
        del rogue[FIELD]
    with call_context(tenant="acme"):
        await handlers["message.set"](id="good", value={"id": "good", "sessionId": "s"})
        await bare["message.set"](id="rogue", value=rogue)
        await denied(code, handlers, "message.get", id="rogue")
        await denied(code, handlers, "message.set", id="rogue", value={"sessionId": "s"})
        await denied(code, handlers, "message.update", id="rogue", updates={"sessionId": "s"})
        await denied(code, handlers, "message.listBySession", session_id="s")
        assert await bare["message.get"](id="rogue") == rogue
        filtering = guarded(bare, mixed_lists="filter")
        assert await filtering["message.listBySession"](session_id="s") == [{"id": "good", "sessionId": "s"}]


async def test_a_filtered_list_is_counted_and_audited(bare: Backend, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    with AuditLog.open(tmp_path / "audit") as log, call_context(tenant="acme", region=EU):
        handlers = wrap(bare, metrics(registry=registry), audit(log), region_guard(POLICY, mixed_lists="filter"))
        await bare["message.set"](id="rogue", value={"sessionId": "s"})
        assert await handlers["message.listBySession"](session_id="s") == []
    labels = {"decision": "filtered", "code": "label_missing", "rule": "eu-only", "backend_region": EU}
    assert registry.get_sample_value("agent_storage_residency_decisions_total", labels) == 1
    (outcome,) = records_of(tmp_path, "outcome")
    assert (outcome["decision"], outcome["code"], outcome["outcome"]) == ("filtered", "label_missing", "ok")


def records_of(folder: Path, phase: str) -> list[dict[str, Any]]:
    (path,) = (folder / "audit").glob("*.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if record["phase"] == phase]


async def test_a_write_that_its_label_denies_is_audited_as_denied(bare: Backend, tmp_path: Path) -> None:
    """The intent knew only the policy's answer; the outcome says what the look at the record found."""
    with AuditLog.open(tmp_path / "audit") as log, call_context(tenant="acme", region=EU):
        handlers = wrap(bare, audit(log), region_guard(POLICY))
        await bare["session.set"](id="s", value={})
        await denied("label_missing", handlers, "session.update", id="s", updates={})
    (intent,), (outcome,) = records_of(tmp_path, "intent"), records_of(tmp_path, "outcome")
    assert (intent["decision"], intent["code"]) == ("allow", "allowed")
    assert (outcome["decision"], outcome["code"], outcome["outcome"]) == ("deny", "label_missing", "denied")


@pytest.mark.parametrize("operation", ["message.set", "message.update", "session.set", "session.update"])
@pytest.mark.parametrize("labels", ["required", "off"])
async def test_a_callers_own_label_is_refused(operation: str, labels: Any, bare: Backend) -> None:
    handlers = guarded(bare, labels=labels)
    name = "value" if operation.endswith("set") else "updates"
    with call_context(tenant="acme"):
        await handlers["message.set"](id="r", value={"sessionId": "s"})
        await handlers["session.set"](id="r", value={})
        with pytest.raises(InvalidRecordError, match=r"\$residency"):
            await handlers[operation](id="r", **{name: {"sessionId": "s", FIELD: {"region": EU}}})
        assert await handlers["message.get"](id="r") == {"sessionId": "s"}


async def test_an_update_of_nothing_raises_as_without_the_guard(bare: Backend) -> None:
    handlers = guarded(bare)
    with call_context(tenant="acme"):
        for entity in UPDATED:
            with pytest.raises(RecordNotFoundError):
                await handlers[f"{entity}.update"](id="none", updates={"a": 1})
            assert await handlers[f"{entity}.get"](id="none") is None


@pytest.mark.parametrize("verb", ["set", "update"])
async def test_a_message_is_moved_with_its_label(verb: str, bare: Backend) -> None:
    handlers = guarded(bare, label_keys=KEYS)
    with call_context(tenant="acme"):
        await handlers["message.set"](id="m", value={"sessionId": "s", "a": 1})
        change = {"sessionId": "t", "a": 1}
        await handlers[f"message.{verb}"](id="m", **{"value" if verb == "set" else "updates": change})
        assert await handlers["message.listBySession"](session_id="t") == [change]
        assert await handlers["message.listBySession"](session_id="s") == []


@pytest.mark.parametrize(("verb", "name"), [("set", "value"), ("update", "updates")])
async def test_nothing_is_put_into_another_tenants_session(verb: str, name: str, bare: Backend) -> None:
    handlers = guarded(bare)
    with call_context(tenant="globex"):
        await handlers["session.set"](id="theirs", value={})
    with call_context(tenant="acme"):
        await handlers["session.set"](id="mine", value={})
        await handlers["message.set"](id="m", value={"sessionId": "mine"})
        change = {"sessionId": "theirs"}
        await denied("label_tenant_mismatch", handlers, f"message.{verb}", id="m", **{name: change})
        await denied("label_tenant_mismatch", handlers, "part.set", id="p", value=change)
    with call_context(tenant="globex"):
        assert await handlers["message.listBySession"](session_id="theirs") == []


async def test_a_session_is_looked_at_once_and_not_for_each_message() -> None:
    asked: list[str] = []
    rows = memory_map()

    def counting(name: str) -> Any:
        async def handler(**params: Any) -> Any:
            asked.append(name)
            return await rows[name](**params)

        return handler

    counted = {name: counting(name) for name in rows}
    handlers = wrap(
        counted,
        region_guard(POLICY, caller_region=EU, labels="required"),
        backend=BackendInfo("memory", region=EU),
    )
    with call_context(tenant="acme"):
        await handlers["session.set"](id="s", value={})
        asked.clear()
        for number in range(3):
            await handlers["message.set"](id=f"m{number}", value={"sessionId": "s"})
    assert asked.count("session.get") == 1
    assert asked.count("message.get") == 3


async def test_labels_on_a_users_own_map_when_asked_for() -> None:
    rows = memory_map()
    own = BackendInfo("postgresql", region=EU)
    off = wrap(rows, region_guard(POLICY, caller_region=EU), backend=own)
    required = wrap(rows, region_guard(POLICY, caller_region=EU, labels="required"), backend=own)
    with call_context(tenant="acme"):
        await off["session.set"](id="old", value={"a": 1})
        assert await rows["session.get"](id="old") == {"a": 1}  # columns of theirs might not keep a label
        assert await off["session.get"](id="old") == {"a": 1}
        await denied("label_missing", required, "session.get", id="old")
        await required["session.set"](id="new", value={"a": 1})
        kept = await rows["session.get"](id="new")
        assert FIELD in kept
        first, second = [await required["session.get"](id="new") for _ in range(2)]
        first["b"] = 1  # the map hands out the dict that it keeps: the guard hands out its own
        assert second == {"a": 1}
        assert FIELD in kept


async def test_the_decision_says_whether_records_were_looked_at(bare: Backend) -> None:
    for labels in ("required", "off"):
        with call_context(tenant="acme", region=US), pytest.raises(ResidencyError) as caught:
            await guarded(bare, labels=labels)["session.get"](id="s")
        fact = caught.value.decision.facts["labels"]  # type: ignore[attr-defined] # a Decision
        assert (fact.value, fact.source) == (labels, "guard")


async def test_monitoring_lets_through_and_labels_nothing_that_is_not_its_own(bare: Backend) -> None:
    handlers = guarded(bare, policy=MONITORING)
    await bare["message.set"](id="old", value={"sessionId": "s", "a": 1})
    with call_context(tenant="acme"):
        assert await handlers["message.get"](id="old") == {"sessionId": "s", "a": 1}
        assert await handlers["message.listBySession"](session_id="s") == [{"sessionId": "s", "a": 1}]
        updated = await handlers["message.update"](id="old", updates={"sessionId": "t"})
    assert updated == {"sessionId": "t", "a": 1}
    assert await bare["message.get"](id="old") == {"sessionId": "t", "a": 1}  # adoption is explicit
    await handlers["session.set"](id="nobody's", value={})  # no tenant: nothing that a label could say
    assert await bare["session.get"](id="nobody's") == {}


async def test_monitoring_leaves_no_rows_out_and_counts_them(bare: Backend, tmp_path: Path) -> None:
    """Whoever turns the guard on to watch first, before old rows are adopted, must go on seeing them."""
    with AuditLog.open(tmp_path / "audit") as log, call_context(tenant="acme", region=EU):
        handlers = wrap(bare, audit(log), region_guard(MONITORING, mixed_lists="filter"))
        await bare["message.set"](id="old", value={"sessionId": "s"})
        assert await handlers["message.listBySession"](session_id="s") == [{"sessionId": "s"}]
    (outcome,) = records_of(tmp_path, "outcome")
    assert (outcome["decision"], outcome["code"]) == ("would_deny", "label_missing")


@pytest.mark.parametrize(
    "change",
    [{"mac": "0" * 32}, {"mac": 7}, {"id": "other"}, {"id": 7}, {"mac": None}],
    ids=str,
)
async def test_a_label_that_was_changed_or_moved_is_forged(change: dict[str, Any], bare: Backend) -> None:
    handlers = guarded(bare, label_keys=KEYS)
    with call_context(tenant="acme"):
        await handlers["message.set"](id="m", value={"sessionId": "s"})
        record = await bare["message.get"](id="m")
        await bare["message.set"](id="m", value={**record, FIELD: {**record[FIELD], **change}})
        await denied("label_forged", handlers, "message.get", id="m")
        await denied("label_forged", handlers, "message.listBySession", session_id="s")


async def test_a_record_copied_under_another_id_is_forged(bare: Backend) -> None:
    handlers = guarded(bare, label_keys=KEYS)
    with call_context(tenant="acme"):
        await handlers["message.set"](id="m", value={"id": "m", "sessionId": "s"})
        copied = await bare["message.get"](id="m")
        await bare["message.set"](id="copy", value={**copied, "id": "copy"})
        await denied("label_forged", handlers, "message.get", id="copy")
        await denied("label_forged", handlers, "message.listBySession", session_id="s")


async def test_a_key_can_be_replaced(bare: Backend) -> None:
    new, old = KEYS
    with call_context(tenant="acme"):
        await guarded(bare, label_keys=[old])["session.set"](id="s", value={"a": 1})
        assert await guarded(bare, label_keys=[new, old])["session.get"](id="s") == {"a": 1}
        await denied("label_forged", guarded(bare, label_keys=[new]), "session.get", id="s")
        await guarded(bare, label_keys=[new, old])["session.set"](id="s", value={"a": 2})
        assert await guarded(bare, label_keys=[new])["session.get"](id="s") == {"a": 2}


@pytest.mark.parametrize("tenant", [None, ""])
def test_no_tenant_has_records_of_its_own(tenant: str | None) -> None:
    record = {FIELD: {"tenant": tenant, "region": EU}}
    assert Labels().fault("setup", "x", record, tenant=tenant, region=EU) == "label_tenant_mismatch"


names = st.text(min_size=1, max_size=4) | st.sampled_from(["1:a", "a1:", "11:", ":"])


@given(first=st.tuples(names, names, names, names), second=st.tuples(names, names, names, names))
def test_labels_of_different_records_have_different_macs(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    def mac(parts: tuple[str, ...]) -> str:
        id_, session, tenant, region = parts
        return Labels(KEYS).make("message", id_, {"sessionId": session}, tenant=tenant, region=region)["mac"]

    assert (mac(first) == mac(second)) == (first == second)


def test_a_map_that_cannot_be_looked_at_before_a_write_is_refused() -> None:
    rows = memory_map()
    with pytest.raises(PolicyError, match=r"session\.set needs session\.get"):
        wrap(
            {"session.set": rows["session.set"]},
            region_guard(POLICY, labels="required"),
            backend=BackendInfo("memory", region=EU),
        )


@pytest.mark.parametrize(
    "options",
    [{"labels": "on"}, {"mixed_lists": "skip"}, {"label_keys": [b"short"]}, {"label_keys": ["text of 16 chars"]}],
    ids=str,
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(WrapError):
        region_guard(POLICY, **options)


class TestAttestation:
    """A function of the user's own says where the data rests."""

    policy = ResidencyPolicy.from_dict(sound(tenants=TENANTS, exceptions=[], min_confidence="attested"))

    def wrapped(self, attest: Any, region: str | None = EU) -> Handlers:
        guard = region_guard(self.policy, caller_region=EU, attest=attest)
        return wrap(memory_map(), guard, backend=BackendInfo("memory", region=region))

    async def test_what_is_attested_is_known_best(self) -> None:
        for declared in (EU, None):
            with call_context(tenant="acme"):
                assert await self.wrapped(lambda _: EU, declared)["session.get"](id="s") is None

    @pytest.mark.parametrize(
        ("attest", "code"),
        [
            (None, "backend_confidence_low"),
            (lambda _: None, "backend_confidence_low"),
            (lambda _: EU_2, "backend_region_conflict"),
            (lambda _: US, "backend_region_conflict"),
        ],
    )
    async def test_what_is_not_or_differs_is_denied(self, attest: Any, code: str) -> None:
        with call_context(tenant="acme"):
            await denied(code, self.wrapped(attest), "session.get", id="s")

    def test_one_that_raises_stops_the_wrap(self) -> None:
        def attest(backend: BackendInfo) -> str:
            raise ConnectionError("the metadata service is down")

        with pytest.raises(PolicyError, match="attest raised ConnectionError"):
            self.wrapped(attest)
