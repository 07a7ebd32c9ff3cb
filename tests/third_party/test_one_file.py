"""A plugin of one file needs no installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sparring.plugins import load_plugins
from sparring.testing import check_game, check_recipe
from sparring_cli import main

HERE = Path(__file__).parent
FILE, RECIPE = HERE / "coin.py", HERE / "coin.yaml"


def test_its_game_is_sound() -> None:
    found = load_plugins(files=[FILE]).registry.get("game", "coin")
    check_game(found.factory(found.params()))


def test_its_recipe_trains() -> None:
    check_recipe(RECIPE, files=[FILE])


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "after it"])
def test_commands_know_it(before: bool) -> None:
    plugin, command = ["--plugin", str(FILE)], ["describe", "game", "coin"]
    result = CliRunner().invoke(main, [*plugin, *command] if before else [*command, *plugin])
    assert result.exit_code == 0
    assert "coin  game, plugin coin" in result.output
    assert "Call a coin that is not fair; one player." in result.output
    result = CliRunner().invoke(main, ["check", str(RECIPE), *plugin])
    assert "nothing is wrong" in result.output


def test_without_it_the_recipe_is_refused() -> None:
    result = CliRunner().invoke(main, ["check", str(RECIPE)])
    assert result.exit_code == 2
    assert "play.0.game: no game named 'coin'" in result.output


@pytest.mark.slow
def test_it_trains_from_the_command_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["--plugin", str(FILE), "run", str(RECIPE), "--smoke", "--out", str(tmp_path / "run")]
    )
    assert result.exit_code == 0, result.output
    assert "done:" in result.output
