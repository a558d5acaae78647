"""A store against a dict: whatever is written, in whatever order, both hold and find the same."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from storescope import IndexConflictError, VersionConflictError
from storescope.backends import Index, create_kv
from tests.rounds import LONG

KEYS = st.sampled_from(["a", "a/", "a/b", "é", "\x01", "\x02"])
TEXTS = st.sampled_from(["", "s", "s\x01", "s\x01t", "\x02", "ü"])
VALUES = st.fixed_dictionaries({"session": TEXTS, "tags": st.lists(TEXTS, max_size=3), "slug": st.none() | TEXTS})
INDEXES = {
    "by_session": Index(key=lambda value: value["session"], order="insertion"),
    "by_tag": Index(key=lambda value: value["tags"], multi=True),
    "by_slug": Index(key=lambda value: value["slug"], unique=True),
}


class StoreAgainstDict(RuleBasedStateMachine):
    """The model keeps values by key, and for each session who came to it when."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.kv = create_kv(self.url, f"{uuid4().hex}/")  # each example has a prefix of its own
        self.store = self.kv.store("s/", indexes=INDEXES)
        self.values: dict[str, Any] = {}
        self.versions: dict[str, str] = {}
        self.arrivals: dict[str, int] = {}
        self.clock = 0

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def refuses(self, key: str, value: Any) -> bool:
        others = [other["slug"] for name, other in self.values.items() if name != key]
        return value["slug"] is not None and value["slug"] in others

    def keep(self, key: str, value: Any) -> None:
        self.clock += 1
        if key not in self.values or self.values[key]["session"] != value["session"]:
            self.arrivals[key] = self.clock
        self.values[key] = value

    @rule(key=KEYS, value=VALUES, condition=st.sampled_from(["any", "same", "absent", "other"]))
    def set(self, key: str, value: Any, condition: str) -> None:
        known = self.versions.get(key)
        given = {"same": known, "absent": None, "other": "0" * 24}
        arguments = {} if condition == "any" else {"expected_version": given[condition]}
        try:
            version = self.run(self.store.set(key, value, **arguments))
        except VersionConflictError:
            assert condition != "any"
            assert given[condition] != known
        except IndexConflictError:
            assert self.refuses(key, value)
        else:
            assert condition == "any" or given[condition] == known
            assert not self.refuses(key, value)
            self.keep(key, value)
            self.versions[key] = version

    @rule(key=KEYS, session=TEXTS)
    def update(self, key: str, session: str) -> None:
        updated = self.run(self.store.update(key, lambda value: {**value, "session": session}))
        assert (updated is not None) == (key in self.values)
        if updated is not None:
            self.keep(key, updated)
            self.versions[key] = self.run(self.store.get(key)).version

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.run(self.store.delete(key)) == (self.values.pop(key, None) is not None)
        self.versions.pop(key, None)
        self.arrivals.pop(key, None)

    @rule()
    def reindex(self) -> None:
        assert self.run(self.store.reindex()) == (len(self.values), 0, 0, ())

    @rule(text=TEXTS)
    def find(self, text: str) -> None:
        def having(name: str) -> list[str]:
            return [key for key in sorted(self.values) if text in (self.values[key][name] or ())]

        in_session = [key for key, value in self.values.items() if value["session"] == text]
        with_slug = [key for key, value in self.values.items() if value["slug"] == text]
        assert self.found(by_session=text) == sorted(in_session, key=self.arrivals.__getitem__)
        assert self.found(by_tag=text) == having("tags")
        assert self.found(by_slug=text) == with_slug

    def found(self, **by: str) -> list[str]:
        async def find() -> list[str]:
            return [key async for key, _ in self.store.entries(**by)]

        keys: list[str] = self.run(find())
        return keys

    @invariant()
    def all_is_there(self) -> None:
        async def read() -> dict[str, Any]:
            return {key: await entry.value async for key, entry in self.store.entries()}

        stored = self.run(read())
        assert stored == self.values
        assert list(stored) == sorted(self.values)

    def teardown(self) -> None:
        self.run(self.kv.aclose())
        self.runner.close()


def test_a_store_is_a_dict(engine_url: str) -> None:
    """On the dict in memory often; a server takes longer, and its engine is what may differ."""
    examples = 40 if engine_url == "memory:" else 20 if LONG else 2
    bounds = settings(max_examples=examples, stateful_step_count=30, deadline=None)
    machine = type("OnThisStore", (StoreAgainstDict,), {"url": engine_url})
    run_state_machine_as_test(machine, settings=bounds)
