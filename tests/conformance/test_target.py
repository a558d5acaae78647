"""What a target may be, and that whatever goes wrong with one is told in one line."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from storescope.backends import open_backend
from storescope.conformance._target import TargetError, find_target, load_target, open_target, opened
from tests.conformance.maps import MemoryMap

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope import Handlers

MAP = MemoryMap().handlers()


@asynccontextmanager
async def entered() -> AsyncGenerator[Handlers]:
    yield MAP


async def awaited() -> Handlers:
    return MAP


class Callable(dict[str, Any]):
    """A map that can be called all the same: it is the map that is meant."""

    def __call__(self) -> None:
        raise AssertionError


FORMS: dict[str, Any] = {
    "map": MAP,
    "map that can be called": Callable(MAP),
    "function": MemoryMap().handlers,
    "async function": awaited,
    "manager": entered,
    "manager that is made": entered(),
    "opening": open_backend("memory:"),
    "function to opening": lambda: open_backend("memory:"),
}


@pytest.mark.parametrize("target", ["", "module", ":name", "module:"])
def test_a_target_without_both_parts_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="module:name"):
        load_target(target)


def test_a_target_may_be_a_module_and_may_have_dots() -> None:
    assert load_target("storescope.conformance:Case.__name__") == "Case"


def test_a_target_that_is_no_file_is_an_import_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"missing\.py"):
        load_target(f"{tmp_path / 'missing.py'}:name")


def test_a_file_may_have_data_classes_which_look_their_module_up(tmp_path: Path) -> None:
    code = (
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass Row:\n    id: str\n"
    )
    (tmp_path / "rows.py").write_text(code)
    assert load_target(f"{tmp_path / 'rows.py'}:Row.__name__") == "Row"


def test_a_file_does_not_stand_in_for_a_module_of_its_name(tmp_path: Path) -> None:
    before = sys.modules["json"]
    (tmp_path / "json.py").write_text("handlers = {}")
    assert load_target(f"{tmp_path / 'json.py'}:handlers") == {}
    assert sys.modules["json"] is before


@pytest.mark.parametrize("found", FORMS.values(), ids=FORMS)
async def test_every_form_gives_the_map(found: Any) -> None:
    async with opened(found) as handlers:
        assert len(handlers) == 15


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([], "no handler map, but of type list"),
        (lambda: None, "no handler map, but of type NoneType"),
        ({}, "without a handler"),
        ({"session.gte": print}, "no operation 'session.gte'; the nearest is 'session.get'"),
        ({"session.get": "print"}, "'session.get' cannot be called; it is a str"),
    ],
)
async def test_what_is_no_handler_map_says_what_it_is(found: Any, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        await opened(found).__aenter__()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def handlers(:", r"SyntaxError: invalid syntax \(maps.py, line 1\)"),
        ("import sys; sys.exit('no config')", "SystemExit: no config"),
        ("raise OSError('one\\nline\\tonly')", "OSError: one line only"),
        ("class Skipped(BaseException): ...\nraise Skipped", "Skipped$"),
        ("1", "AttributeError: module '_target_maps' has no attribute 'handlers'"),
    ],
)
def test_what_a_module_raises_is_told_in_one_line(tmp_path: Path, code: str, says: str) -> None:
    (tmp_path / "maps.py").write_text(code)
    with pytest.raises(TargetError, match=rf"^\S+maps.py:handlers cannot be loaded: {says}") as caught:
        find_target(f"{tmp_path / 'maps.py'}:handlers")
    assert "\n" not in str(caught.value)


def test_a_module_cannot_hide_that_the_user_gave_up(tmp_path: Path) -> None:
    (tmp_path / "maps.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find_target(f"{tmp_path / 'maps.py'}:handlers")


@asynccontextmanager
async def stuck() -> AsyncGenerator[Handlers]:
    yield MAP
    raise ConnectionError("it hung up")


def unreachable() -> Handlers:
    raise SystemExit("no database")


def wants_more(url: str) -> Handlers:
    raise AssertionError


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (unreachable, "m:f cannot be opened: SystemExit: no database"),
        (wants_more, r"m:f cannot be opened: TypeError: wants_more\(\) missing 1 required"),
        (stuck, "m:f cannot be closed: ConnectionError: it hung up"),
        ({}, "m:f: it is a handler map without a handler"),
    ],
)
async def test_what_opening_and_closing_raise_is_told_with_the_target(found: Any, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        async with open_target("m:f", found):
            pass
