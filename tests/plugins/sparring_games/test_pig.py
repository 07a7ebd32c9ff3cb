"""Pig: agreement with OpenSpiel, and the accounts of a turn."""

from __future__ import annotations

from typing import Any

import pytest

from sparring.testing import check_game, check_twin
from sparring_games.pig import Pig, PigParams


@pytest.mark.parametrize("params", [{"winscore": 20}, {"winscore": 30, "horizon": 12, "diceoutcomes": 4}])
def test_it_is_a_sound_game(params: dict[str, int]) -> None:
    check_game(Pig(PigParams(**params)), episodes=30)


@pytest.mark.slow
def test_it_is_sound_at_full_length() -> None:
    check_game(Pig(PigParams()))


@pytest.mark.parametrize(
    "params",
    [
        {"winscore": 4, "horizon": 6, "diceoutcomes": 3},
        {"winscore": 20, "horizon": 5, "diceoutcomes": 3},
        pytest.param({"winscore": 4, "horizon": 8, "diceoutcomes": 3}, marks=pytest.mark.slow),
    ],
)
def test_the_whole_tree_of_a_short_match_is_that_of_openspiel(params: dict[str, int]) -> None:
    check_twin(Pig(PigParams(**params)))


def test_playouts_are_those_of_openspiel() -> None:
    check_twin(Pig(PigParams(winscore=20)), playouts=200)


@pytest.mark.slow
def test_full_playouts_are_those_of_openspiel() -> None:
    check_twin(Pig(PigParams()), playouts=1000)


def test_a_one_loses_the_turn_and_stop_keeps_it(play: Any) -> None:
    game = Pig(PigParams(winscore=10))
    state = play(game, "roll,roll,stop,roll", "3 4 1")
    assert (state.scores, state.to_act()) == ([7, 0], (0,))
    state = play(game, "roll,roll,stop,roll,roll", "3 4 1 3")
    assert state.legal_actions(0) == ["stop"]
    state.apply({0: "stop"})
    assert state.outcome().returns == (1, -1)


def test_nobody_wins_after_the_last_move(play: Any) -> None:
    state = play(Pig(PigParams(horizon=2)), "roll,roll", "3")  # the second roll comes too late to be drawn
    assert state.to_act() == ()
    assert state.outcome().kinds == ("draw", "draw")


def test_both_are_told_everything(play: Any) -> None:
    state = play(Pig(PigParams(winscore=10)), "roll,stop,roll", "3 1")
    assert state.observe(0)[1:] == [
        "You roll 3.\nPoints: you 0, opponent 0. This turn: 3. Say roll or stop.",
        "Your opponent rolls 1 and loses the turn.\nPoints: you 3, opponent 0. This turn: 0. Say roll or stop.",
    ]
    assert state.observe(1)[1:] == [
        "Your opponent rolls 3.",
        "Your opponent stops and keeps 3.\nPoints: you 0, opponent 3. This turn: 0. Say roll or stop.",
        "You roll 1 and lose the turn.",
    ]


def test_moves_are_read_without_brackets_and_never_guessed(play: Any) -> None:
    state = play(Pig(PigParams()), "", "3")
    assert not state.apply({0: "do not stop"})[0].legal
    assert state.apply({0: "[Roll]"})[0].action == "roll"
