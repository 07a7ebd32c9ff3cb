"""`sparring new-plugin`: what it writes is whole and right, and what it cannot write it says."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import sparring
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring_cli import main
from sparring_cli.new_plugin import IMPORTED, kinds

KINDS = ["estimator", "game", "judge", "objective", "scheme"]
NAME = "two-words"


def new(folder: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["new-plugin", *arguments, "--dir", str(folder)])
    return result.exit_code, result.output


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A new distribution of each kind."""
    kind: str = request.param
    status, output = new(tmp_path, NAME, "--kind", kind)
    assert status == 0, output
    return kind, tmp_path / "sparring-two-words"


@pytest.fixture
def imported(made: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its package, importable as long as the test runs."""
    monkeypatch.syspath_prepend(made[1] / "src")
    yield "sparring_two_words"
    for name in [name for name in sys.modules if name.partition(".")[0] == "sparring_two_words"]:
        del sys.modules[name]


def test_there_is_a_template_of_each_of_these_kinds() -> None:
    assert kinds() == KINDS


def test_it_is_a_whole_distribution(made: tuple[str, Path]) -> None:
    kind, home = made
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert files == {
        "pyproject.toml", "README.md", "tests/test_two_words.py",
        *(f"src/sparring_two_words/{name}" for name in (
            "__init__.py", "py.typed", f"{kind}.py", "recipes/__init__.py", "recipes/two_words/quickstart.yaml",
        )),
    }  # fmt: skip
    for path in home.rglob("*"):
        if path.is_file():
            assert "$" not in path.read_text(), path
    project = tomllib.loads((home / "pyproject.toml").read_text())
    assert project["project"]["name"] == "sparring-two-words"
    assert project["project"]["entry-points"]["sparring"] == {"sparring_two_words": "sparring_two_words"}
    assert project["project"]["dependencies"] == [f"sparring>={sparring.__version__.rpartition('.')[0]}"]


def test_its_component_and_its_recipe_are_right(made: tuple[str, Path], imported: str) -> None:
    kind, _ = made
    host = load_plugins(modules=[imported])
    component = host.registry.get(kind, "two_words")
    assert (component.plugin, host.plugins[-1].error) == ("sparring_two_words", "")
    assert component.summary
    assert all(info.description for info in component.params.model_fields.values())
    for smoke in (False, True):
        recipe = load_recipe(find_recipe("two_words/quickstart", host.recipe_packages), host.registry, smoke=smoke)
        assert "two_words" in str(recipe.model_dump(mode="json"))


def test_registering_it_imports_no_torch(made: tuple[str, Path]) -> None:
    """`sparring list` registers everything, and should not wait."""
    kind, home = made
    for file in (home / "src").rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"torch", "sparring.batch", "sparring.forward"} & set(names), f"{kind}: {file.name}"


def test_no_class_is_called_like_something_it_imports(made: tuple[str, Path]) -> None:
    _, home = made
    for file in home.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("sparring_two_words"):
                names = {a.name for a in node.names if a.name[0].isupper() and not a.name.isupper()}
                assert names <= {*sparring.__all__, *IMPORTED}, f"{file}: {names - {*sparring.__all__, *IMPORTED}}"


def test_names_may_have_our_prefix_and_kinds_be_plural(tmp_path: Path) -> None:
    status, output = new(tmp_path, "sparring-heaps", "--kind", "games")
    assert status == 0
    assert "pip install -e" in output
    assert "sparring run heaps/quickstart --smoke" in output
    assert (tmp_path / "sparring-heaps" / "src" / "sparring_heaps" / "game.py").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Heaps", "--kind", "game"), "'Heaps' cannot be the name of a plugin"),
        (("2048", "--kind", "game"), "a letter first"),
        (("my game", "--kind", "game"), "such as number-duel"),
        (("../heaps", "--kind", "game"), "cannot be the name"),
        (("heaps", "--kind", "gmae"), "no kind named 'gmae'; did you mean 'game'?"),
        (("heaps", "--kind", "tracker"), "no template of a tracker; there are: estimator, game,"),
        (("heaps",), "Missing option '--kind'"),
        (("kuhn-poker", "--kind", "game"), "plugin 'sparring_games' has a game 'kuhn_poker' already"),
        (("games", "--kind", "game"), "a package sparring_games is installed already"),
        (("params", "--kind", "game"), "a class called Params, which there is already"),
        (("sequence", "--kind", "judge"), "a class called Sequence, which there is already"),
        (("none", "--kind", "judge"), "a class called None, which there is already"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_written(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    status, output = new(tmp_path, *arguments)
    assert status == 2
    assert told in output
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    assert new(tmp_path, "heaps", "--kind", "game")[0] == 0
    file = tmp_path / "sparring-heaps" / "README.md"
    file.write_text("mine")
    status, output = new(tmp_path, "heaps", "--kind", "judge")
    assert status == 2
    assert f"{tmp_path / 'sparring-heaps'} exists already; choose another NAME, or another folder with --dir" in output
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, output = new(tmp_path / "file", "heaps", "--kind", "game")
    assert status == 1
    assert "cannot write" in output
    assert "Traceback" not in output
