"""GEM's environments as one-player games: sound, told whole, paid as GEM pays, and refused in one line where there is no way."""

from __future__ import annotations

import builtins
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sparring import SeededChance
from sparring.testing import check_game, make
from sparring_adapters.gem import Gem, GemParams
from sparring_cli import main

EASY = "game:GuessTheNumber-v0-easy"
RECIPE = f"""
format: 1
policies: {{main: {{model: tiny}}}}
play: [{{game: {{use: gem, id: '{EASY}'}}, scheme: turn_based}}]
objective: policy_gradient
"""


@pytest.fixture
def _gem() -> None:
    pytest.importorskip("gem", reason="needs GEM: pip install 'sparring[gem]'")


def gem(name: str, **params: Any) -> Gem:
    return Gem(GemParams(id=name, **params))


@pytest.mark.usefixtures("_gem")
@pytest.mark.parametrize(
    ("name", "params"),
    [
        (EASY, {}),
        ("game:GuessTheNumber-v0-random", {}),
        ("game:Mastermind-v0-easy", {}),
        ("game:Minesweeper-v0-easy", {}),
        ("game:FifteenPuzzle-v0-easy", {}),
        ("game:Sudoku-v0-easy", {"moves": ["\\boxed{1 1 1}", "\\boxed{2 3 4}"]}),
        ("game:TowerofHanoi-v0-easy", {"moves": ["\\boxed{A B}", "\\boxed{A C}", "\\boxed{B C}"]}),
        ("game:Game2048-v0-easy", {"parameters": {"max_turns": 5}}),
        ("game:Sokoban-v0-easy", {"parameters": {"max_turns": 4}}),
        ("rg:leg_counting", {"moves": ["\\boxed{4}", "12"]}),
    ],
)
def test_it_is_a_sound_game(name: str, params: dict[str, Any]) -> None:
    check_game(gem(name, bounds=(-2, 2), **params), episodes=4)


@pytest.mark.usefixtures("_gem")
def test_halving_finds_the_number_and_is_paid_as_gem_pays() -> None:
    """Four guesses are enough for ten numbers, if each is in the middle of what is left."""
    game = gem(EASY)
    assert game.info.max_turns == 4
    seen = set()
    for seed in range(12):
        state, low, high, paid = game.new_state(SeededChance(seed)), 1, 10, 0.0
        while state.to_act():
            guess = (low + high) // 2
            state.apply({0: f"so I say \\boxed{{{guess}}}"})
            paid += state.rewards()[0]
            if "lower" in state.observe(0)[-1]:
                high = guess - 1
            elif "higher" in state.observe(0)[-1]:
                low = guess + 1
        seen.add(guess)
        assert f"the correct number {guess}" in state.observe(0)[-1]
        assert (state.outcome().returns, state.outcome().kinds, paid) == ((1.0,), ("win",), 1.0)
    assert len(seen) > 3


@pytest.mark.usefixtures("_gem")
def test_an_answer_without_a_box_is_paid_by_gems_rules() -> None:
    state = gem(EASY).new_state(SeededChance(0))
    assert state.apply({0: "five"})[0].legal
    assert state.outcome().returns == pytest.approx((-0.1,))


@pytest.mark.usefixtures("_gem")
def test_it_plays_as_gem_does_beside_it() -> None:
    """The same seed and actions give the same texts and rewards in the library itself."""
    import gem as theirs

    state = gem("game:Mastermind-v0-hard").new_state(SeededChance(7))
    before = random.getstate()
    beside = theirs.make("game:Mastermind-v0-hard")
    told = [beside.reset(seed=state.start)[0].rstrip()]
    chance = SeededChance(1)
    while state.to_act():
        action = state.sample_action(0, chance)
        state.apply({0: action})
        observation, reward, terminated, truncated, info = beside.step(action)
        told.append(f"{observation}\n{info['suffix']}")
        assert state.rewards() == [reward]
        assert bool(state.to_act()) != (terminated or truncated)
    random.setstate(before)
    assert [text.rstrip() for text in state.observe(0)] == told


@pytest.mark.usefixtures("_gem")
def test_the_board_is_told_with_every_observation() -> None:
    state = gem("game:Sokoban-v0-easy").new_state(SeededChance(0))
    state.apply({0: "\\boxed{up}"})
    assert all("Here is the current board layout" in entry for entry in state.observe(0))


@pytest.mark.usefixtures("_gem")
def test_a_limit_that_is_drawn_is_not_the_games() -> None:
    assert gem("game:Mastermind-v0-random").info.max_turns == 100
    assert gem("game:Mastermind-v0-random", max_turns=30).info.max_turns == 30


@pytest.mark.usefixtures("_gem")
@pytest.mark.parametrize(
    ("params", "why"),
    [
        (
            {"id": "game:GuessTheNumber-v0"},
            "no environment 'game:GuessTheNumber-v0'; did you mean 'game:GuessTheNumber-v0-",
        ),
        ({"id": EASY, "parameters": {"max_numbre": 3}}, "did you mean 'max_number'"),
        ({"id": EASY, "parameters": {"min_number": "one"}}, "does not build"),
        ({"id": "math:GSM8K"}, "dataset 'axon-rl/GSM-8k', which it would download"),
        ({"id": "eval:QaOpen"}, "would download"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GemParams(**params)
    (error,) = caught.value.errors()
    assert why in error["msg"]
    assert "\n" not in error["msg"]


@pytest.mark.usefixtures("_gem")
def test_word_games_need_the_list_of_words_and_look_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("it went to the network")

    monkeypatch.setattr(nltk, "download", asked)
    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(ValidationError, match=r"NLTK's list of words.*python -m nltk.downloader words"):
        GemParams(id="game:Hangman-v0-easy")


@pytest.mark.usefixtures("_gem")
def test_word_games_are_played_where_the_list_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import nltk
    from nltk.corpus import words

    folder = tmp_path / "corpora" / "words"
    folder.mkdir(parents=True)
    for name in ("en", "en-basic"):
        (folder / name).write_text("ant\nbee\ncat\ndog\n")
    (folder / "README").write_text("")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    try:
        check_game(gem("game:Wordle-v0-easy", bounds=(-2, 2)), episodes=2)
    finally:
        words._unload()  # the next one looks again


@pytest.mark.usefixtures("_gem")
def test_logging_stays_the_runs_own() -> None:
    """GEM calls basicConfig as it is imported; here it may have been imported before, so it is called again."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    gem(EASY)
    assert (list(root.handlers), root.level) == before


@pytest.mark.usefixtures("_gem")
def test_it_is_a_component_like_any_other() -> None:
    assert make("game", "gem", id=EASY).info.name == EASY


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_without_gem_the_command_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RECIPE)
    without(monkeypatch, "gem")
    result = CliRunner().invoke(main, ["check", str(tmp_path / "mine.yaml")])
    assert result.exit_code == 2
    (line,) = [line for line in result.output.splitlines() if "gem-llm" in line]
    assert "mine.yaml:4: play.0.game" in line
    assert "pip install 'sparring[gem]'" in line
    assert "Traceback" not in result.output
