from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from sparring import __version__
from sparring.cli import COMMANDS, main
from sparring.cli.catalogue import example, parameters
from sparring.registry import Registry

PLUGIN = '''
"""A plugin in a file."""
from __future__ import annotations
from typing import Annotated, Literal
from pydantic import Field
from sparring import Choice, Game, Params, hookimpl, component

class NimParams(Params):
    heaps: tuple[int, ...] = Field((3, 4, 5), min_length=1, description="Matches in each heap.")
    ending: Literal["normal", "misere"] = Field("normal", description="Whether who takes the last one wins [or loses].")
    limit: int | None = Field(None, ge=1, lt=100, description="Most matches taken at once.")
    inner: Annotated[Choice[Game], component("game")] = Field(description="Another game.")

def make(params: NimParams):
    """Take matches from heaps.

    Who cannot move loses.
    """

class HeldParams(Params):
    pass

class Held:
    """A model at hand."""
    def __init__(self, params): pass
    def where(self): return "in the hand"

class Wanting(Params):
    path: str = Field(description="Where.")

@hookimpl
def sparring_register_games(register):
    register("nim", make, NimParams, paper="arXiv:1", status="experimental")

@hookimpl
def sparring_register_models(register):
    register("held", Held, HeldParams)
    register("wanting", Held, Wanting)
'''


Sparring = Callable[..., Result]


@pytest.fixture
def sparring(tmp_path: Path) -> Sparring:
    """Call the command line with the plugin above."""
    (tmp_path / "nim_plugin.py").write_text(PLUGIN)

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["--plugin", str(tmp_path / "nim_plugin.py"), *words], prog_name="sparring")

    return call


@pytest.mark.parametrize("kind", ["game", "games"])
def test_a_kind_is_listed(kind: str, sparring: Sparring) -> None:
    result = sparring("list", kind)
    assert result.exit_code == 0, result.output
    row = next(line for line in result.output.splitlines() if "nim (experimental)" in line)
    assert "Take matches from heaps." in row
    assert "held" not in result.output


def test_everything_is_listed_by_kind(sparring: Sparring) -> None:
    output = sparring("list").output
    assert output.index("nim") < output.index("held")


def test_recipes_are_a_kind(sparring: Sparring) -> None:
    assert sparring("list", "recipes").exit_code == 0


def test_an_unknown_kind_names_those_there_are(sparring: Sparring) -> None:
    result = sparring("list", "gmaes")
    assert result.exit_code == 2
    assert "did you mean 'games'?" in result.output


def test_options_stand_before_or_after_the_command(tmp_path: Path, sparring: Sparring) -> None:
    file = tmp_path / "nim_plugin.py"
    assert "nim" in CliRunner().invoke(main, ["list", "games", "--plugin", str(file)]).output
    assert "nim" not in sparring("list", "games", "--no-plugin", "nim_plugin").output
    assert "nim" not in sparring("--no-plugin", "nim_plugin", "list", "games").output
    result = sparring("list", "--no-plugin", "nim_plugn")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no plugin named 'nim_plugn' to leave out; did you mean 'nim_plugin'?")


def test_a_component_is_described(sparring: Sparring) -> None:
    output = sparring("describe", "games", "nim").output
    for text in (
        "nim  game, plugin nim_plugin, arXiv:1, experimental",
        "Take matches from heaps.\n\nWho cannot move loses.",
        "whole number or null  null",
        "≥ 1, < 100",
        "normal | misere",
        "wins [or loses].",
        "{use: nim, heaps: [3, 4, 5], ending: normal, limit: null, inner: …}",
    ):
        assert text in output


def test_an_unknown_component_has_exit_status_2_and_no_traceback(sparring: Sparring) -> None:
    result = sparring("describe", "game", "nmi")
    assert result.exit_code == 2
    assert "error: no game named 'nmi'; did you mean 'nim'?" in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_the_example_of_every_toy_is_valid_but_for_what_is_required(toy_registry: Registry) -> None:
    for component in toy_registry.all():
        data = yaml.safe_load(example(component))
        assert data.pop("use") == component.name
        required = {row.name for row in parameters(component.params) if row.default == "required"}
        assert {name for name, value in data.items() if value == "…"} == required
        if not required:
            component.params.model_validate(data, context={"registry": toy_registry})


def test_plugins_shows_what_is_broken(tmp_path: Path, sparring: Sparring) -> None:
    (tmp_path / "bad.py").write_text("import not_there_at_all\n")
    result = sparring("plugins", "--plugin", str(tmp_path / "bad.py"))
    assert result.exit_code == 0
    good, bad = (
        next(line for line in result.output.splitlines() if line.startswith(name)) for name in ("nim_plugin", "bad")
    )
    assert good.split() == ["nim_plugin", "3"]
    assert "No module named 'not_there_at_all'" in bad


def test_models_say_where_they_are(sparring: Sparring) -> None:
    output = sparring("models").output
    assert "in the hand" in next(line for line in output.splitlines() if line.startswith("held"))
    assert "Give it: path." in next(line for line in output.splitlines() if line.startswith("wanting"))


def test_a_wrong_recipe_has_exit_status_2(tmp_path: Path, sparring: Sparring) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("format: 1\nplya: []\n")
    result = sparring("check", str(file))
    assert result.exit_code == 2
    assert f"{file}:2: plya: unknown key 'plya'; did you mean 'play'?" in result.stderr.splitlines()
    assert result.stdout == ""


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, (name, result.output)
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("words", [["list"], ["list", "recipes"], ["plugins"], ["--help"]])
def test_looking_around_imports_no_torch(words: list[str]) -> None:
    probe = (
        "import sys; from sparring.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print('imported:', *({'torch', 'transformers', 'pyspiel'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "imported:"
