"""How-to pages for authors: each page's files are written, registered and tested as the page says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from sparring.errors import RecipeError
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.testing import check_game

HOW_TO = Path(__file__).parents[1] / "docs" / "how_to"
PAGES = {
    "write_a_game.md": "game",
    "write_a_scheme.md": "scheme",
    "write_a_judge.md": "judge",
    "write_an_estimator.md": "estimator",
    "write_an_objective.md": "objective",
}
REST = """
format: 1
policies: {main: {model: tiny}}
play: [{name: copy, scheme: {use: answer_task, tasks: copy_format, answers: 2}}]
objective: policy_gradient
train: {steps: 1}
"""


def files(page: str) -> dict[str, str]:
    """Python blocks by the file name that the text before them ends with."""
    text = (HOW_TO / page).read_text()
    found = re.findall(r"`([\w./]+)`[^`\n]*:\n\n```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert len(found) == text.count("```python"), f"{page}: a Python block without a file name"
    return dict(found)


def use(page: str) -> str:
    """The YAML of the section "Use it"."""
    (found,) = re.findall(
        r"## Use it\n.*?```yaml\n(.*?)^```$", (HOW_TO / page).read_text(), flags=re.DOTALL | re.MULTILINE
    )
    return str(found)


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A page, its files written to a temporary folder that modules are imported from."""
    for name, text in files(request.param).items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield request.param
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def code_of(page: str) -> str:
    (name,) = (name for name in files(page) if not name.startswith("test_"))
    return name


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_component_is_registered_and_used_as_the_page_says(page: str, tmp_path: Path) -> None:
    host = load_plugins(files=[tmp_path / code_of(page)])
    mine = host.plugins[-1]
    assert mine.error == ""
    assert PAGES[page] in {component.kind for component in mine.components}
    text = use(page)
    assert any(re.search(rf"\b{component.name}\b", text) for component in mine.components)
    whole = yaml.safe_dump({**yaml.safe_load(REST), **yaml.safe_load(text)})
    load_recipe(RecipeSource("page", whole, page), host.registry)


def test_a_match_that_an_error_names_is_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in files("when_a_run_stops.md").items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    load(tmp_path / "test_replay.py").test_the_match_is_played_again()
    sys.modules.pop("replay")


def test_its_tests_pass(page: str, tmp_path: Path) -> None:
    (name,) = (name for name in files(page) if name.startswith("test_"))
    tests = {key: value for key, value in vars(load(tmp_path / name)).items() if key.startswith("test_")}
    assert tests
    for test in tests.values():
        test()


SINGLE_SEAT = "play_single_seat_environments.md"
ENVIRONMENTS = re.findall(r"```yaml\n(.*?)^```$", (HOW_TO / SINGLE_SEAT).read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", ENVIRONMENTS, ids=lambda text: re.search(r"use: (\w+)", text)[1])
def test_entries_of_environments_are_right(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is a recipe's `play`; what its game's package does not allow here is skipped with the line that says so."""
    for name, code in files(SINGLE_SEAT).items():
        (tmp_path / name).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    whole = yaml.safe_dump({**yaml.safe_load(REST), **yaml.safe_load(text)})
    try:
        recipe = load_recipe(RecipeSource("page", whole, SINGLE_SEAT), load_plugins().registry)
    except RecipeError as error:
        if "pip install 'sparring[" not in str(error):
            raise
        pytest.skip(str(error))
    (entry,) = recipe.play
    assert entry.game is not None
    if entry.game.use != "openenv":  # which needs a server
        check_game(entry.game.make(), episodes=2)
