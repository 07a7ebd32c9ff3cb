"""Matrix games: what the table says about the game, what players are told, and tables that contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sparring import GameError, Outcome, SeededChance
from sparring.testing import check_game
from sparring_games.matrix_game import MatrixGame, MatrixGameParams

DILEMMA = {"actions": ("cooperate", "defect"), "payoffs": (((3, 3), (0, 5)), ((5, 0), (1, 1)))}
UNEVEN = {
    "actions": ("up", "down"),
    "column_actions": ("left", "middle", "right"),
    "payoffs": ((1, 2, 3), (-1, 0, 0.5)),
}
DECIMALS = {"actions": ("a", "b"), "payoffs": (((0.1, -0.1), (0.3, -0.3)), ((0.7, -0.7), (0, 0)))}


def play(first: str, second: str, **params: Any) -> tuple[Outcome, list[str]]:
    state = MatrixGame(MatrixGameParams(**params)).new_state(SeededChance())
    assert all(move.legal for move in state.apply({0: first, 1: second}).values())
    return state.outcome(), [state.observe(player)[-1] for player in (0, 1)]


@pytest.mark.parametrize("params", [{}, DILEMMA, UNEVEN, DECIMALS])
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(MatrixGame(MatrixGameParams(**params)), episodes=30)


def test_facts_come_from_the_table() -> None:
    rps, dilemma = MatrixGame(MatrixGameParams()).info, MatrixGame(MatrixGameParams(**DILEMMA)).info
    uneven, decimals = MatrixGame(MatrixGameParams(**UNEVEN)).info, MatrixGame(MatrixGameParams(**DECIMALS)).info
    assert (rps.utility, rps.bounds, rps.symmetric) == ("zero", (-1, 1), True)
    assert (dilemma.utility, dilemma.bounds, dilemma.symmetric) == ("general", (0, 5), True)
    assert (uneven.utility, uneven.bounds, uneven.symmetric) == ("zero", (-3, 3), False)
    assert decimals.utility == "zero"


def test_rock_beats_scissors() -> None:
    outcome, told = play("rock", "scissors")
    assert outcome.returns == (1, -1)
    assert told == ["Your opponent chose scissors. You get 1.", "Your opponent chose rock. You get -1."]


def test_who_gets_more_has_won() -> None:
    assert play("defect", "cooperate", **DILEMMA)[0].kinds == ("win", "loss")
    assert play("cooperate", "cooperate", **DILEMMA)[0].kinds == ("draw", "draw")
    assert play("down", "left", **UNEVEN)[0].kinds == ("loss", "win")


def test_each_player_sees_the_table_from_its_side() -> None:
    state = MatrixGame(MatrixGameParams(**DILEMMA)).new_state(SeededChance())
    assert state.observe(0) == state.observe(1)  # the dilemma is symmetric
    assert "defect: cooperate 5, 0; defect 1, 1" in state.observe(0)[0]
    state = MatrixGame(MatrixGameParams(**UNEVEN)).new_state(SeededChance())
    assert "up: left 1; middle 2; right 3" in state.observe(0)[0]
    assert "right: up -3; down -0.5" in state.observe(1)[0]


def test_one_illegal_move_moves_nobody() -> None:
    state = MatrixGame(MatrixGameParams()).new_state(SeededChance())
    read = state.apply({0: "rock", 1: "lizard"})
    assert read[0].legal
    assert "rock, paper, scissors" in read[1].reason
    assert state.to_act() == (0, 1)


def test_both_must_move_at_once() -> None:
    with pytest.raises(GameError, match=r"players \[0\]"):
        MatrixGame(MatrixGameParams()).new_state(SeededChance()).apply({0: "rock"})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"payoffs": ((0, 1, -1),)}, "payoffs has 1 rows, but player 0 has 3 actions"),
        ({"payoffs": ((0, 1, -1), (0, 1), (1, 0, 0))}, "row of payoffs for 'paper' has 2 entries"),
        ({"column_actions": ("left",)}, "player 1 has 1 actions"),
        ({"actions": ("a", "A", "b")}, "read the same"),
        ({"actions": ("a", "b ", "c")}, "begin or end with space"),
        ({"actions": ()}, "at least 1 item"),
        ({"payoffs": ((0, 1, "x"), (0, 1, 0), (1, 0, 0))}, "valid number"),
    ],
)
def test_contradictions_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MatrixGameParams(**params)
