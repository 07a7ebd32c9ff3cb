"""A game that breaks its declaration is caught by the kit, and where it shows in a run the run names the match."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sparring import GameError, Params, SeededChance
from sparring.testing import check_game
from sparring_cli import main

FILE = Path(__file__).with_name("broken_games.py")


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("broken_games", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


broken = loaded()


def invoke(*words: str) -> Result:
    result = CliRunner().invoke(main, [*words, "--plugin", str(FILE)])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def test_the_sound_game_passes() -> None:
    check_game(broken.Stakes(Params()), episodes=50)
    result = invoke("check-game", "stakes")
    assert result.exit_code == 0, result.output
    assert re.search(
        r"^hidden +first cannot tell 3.0 states apart, second 3.0; 1 would be none$", result.stdout, re.MULTILINE
    )


@pytest.mark.parametrize("name", broken.BROKEN)
def test_the_kit_and_the_command_catch_what_is_broken(name: str) -> None:
    message = broken.BROKEN[name][2]
    with pytest.raises(GameError, match=message):
        check_game(broken.GAMES[name](Params()), episodes=50)
    result = invoke("check-game", name)
    assert result.exit_code == 1
    assert re.search(f"^error: {name}.*(?:{message})", result.stderr), result.stderr


RECIPE = """
format: 1
policies:
  main: {model: MODEL}
play: [{game: GAME, roles: {first: random, second: random}}, {game: {use: kuhn_poker, wording: terse}}]
advantage: plain
objective: policy_gradient
sampling: {max_tokens: 3}
batch: {size: 16, unit: episodes}
train: {steps: 2, threads: 1, failure_budget: 0}
"""
TINY = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 0}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that was built without a broken game: `tiny` plays a run's own games first, and would name it there."""
    home = tmp_path_factory.mktemp("home")
    (home / "recipe.yaml").write_text(RECIPE.replace("GAME", "stakes").replace("MODEL", TINY))
    assert invoke("run", str(home / "recipe.yaml"), "--out", str(home / "run"), "--set", "train.steps=0").exit_code == 0
    return f"{{use: pretrained, path: {home / 'run'}}}"


def run(folder: Path, game: str, model: str) -> Result:
    (folder / "recipe.yaml").write_text(RECIPE.replace("GAME", game).replace("MODEL", model))
    return invoke("run", str(folder / "recipe.yaml"), "--out", str(folder / "run"))


SEEN = {
    "sum_of_one": r"returns \(1.0, 0.0\) do not sum to 0; moves so far \['0 (low|high)', '1 (low|high)'\]",
    "beyond_bounds": r"returns \(5.0, -5.0\) are not within bounds \(-2.0, 2.0\); moves so far \['0 (low|high)', '1 (low|high)'\]",
    "lists_illegal": r"it lists 'all in' as legal for player [01] but refuses it: say low or high; moves so far \[",
    "endless": r"it has not ended after max_turns=2 moves; moves so far \['0 (low|high)', '1 (low|high)'\]",
    "answers_for_one": r"apply answered for players \[0\], not \[1\]; moves so far \['0 (low|high)'\]",
}
MATCH = r"^error: step 1, episode \d+ of {} \(seed 0, start (\d+)\): "


@pytest.mark.parametrize("name", SEEN)
def test_a_run_names_the_match_in_which_a_game_broke_its_declaration(name: str, tmp_path: Path, model: str) -> None:
    result = run(tmp_path, name, model)
    assert result.exit_code == 1
    told = re.search(MATCH.format(name) + SEEN[name], result.stderr)
    assert told, result.stderr
    assert "sparring run --resume --out" in result.stderr


def test_the_named_match_can_be_played_again(tmp_path: Path, model: str) -> None:
    """Seed, start and moves lead to the state in which it was seen."""
    error = run(tmp_path, "beyond_bounds", model).stderr
    told = re.search(MATCH.format("beyond_bounds") + r".* moves so far (\[.*\])", error)
    assert told, error
    state = broken.GAMES["beyond_bounds"](Params()).new_state(SeededChance(0, "start", int(told[1])))
    for player, _, text in (move.partition(" ") for move in json.loads(told[2].replace("'", '"'))):
        assert state.apply({int(player): text})[int(player)].legal
    assert state.to_act() == ()
    assert state.outcome().returns == (5.0, -5.0)


def test_a_game_that_raises_costs_an_episode_and_is_named_with_its_moves(tmp_path: Path, model: str) -> None:
    result = run(tmp_path, "raises", model)
    assert result.exit_code == 1
    assert re.search(r"the last is episode \d+ of raises: KeyError: 'pot'; moves so far \['0 high'\]", result.stderr), (
        result.stderr
    )


def test_a_model_that_is_made_of_the_runs_own_play_names_it_before_the_run(tmp_path: Path) -> None:
    result = run(tmp_path, "sum_of_one", TINY.replace("warmup_steps: 0", "warmup_steps: 1"))
    assert result.exit_code == 1
    assert re.search(
        r"episode 0 of sum_of_one \(seed 0, examples, start 0\): returns .* do not sum to 0; moves so far",
        result.stderr,
    )
    assert not (tmp_path / "run").exists()
