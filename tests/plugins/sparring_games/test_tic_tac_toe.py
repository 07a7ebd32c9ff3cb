"""Tic-tac-toe: rules, text, and agreement with OpenSpiel."""

from __future__ import annotations

import pytest

from sparring import SeededChance
from sparring.testing import check_game, check_twin
from sparring_games.tic_tac_toe import TicTacToe, TicTacToeParams, TicTacToeState

GAME = TicTacToe(TicTacToeParams())


def play(moves: str) -> TicTacToeState:
    state = GAME.new_state(SeededChance())
    for cell in moves:
        player = state.to_act()[0]
        assert state.apply({player: cell})[player].legal
    return state


def test_it_is_a_sound_game() -> None:
    check_game(GAME, episodes=60)


def test_playouts_are_those_of_openspiel() -> None:
    check_twin(GAME, playouts=200)


@pytest.mark.slow
def test_the_whole_tree_is_that_of_openspiel() -> None:
    check_twin(GAME)


@pytest.mark.parametrize(
    ("moves", "returns"),
    [("14253", (1, -1)), ("14275", None), ("412539", (-1, 1)), ("152463798", (0, 0)), ("159", None)],
)
def test_three_in_a_row_win(moves: str, returns: tuple[int, int] | None) -> None:
    state = play(moves)
    assert (not state.to_act()) == (returns is not None)
    if returns is not None:
        assert state.outcome().returns == returns


def test_the_newest_entry_holds_the_board_and_the_options() -> None:
    assert play("51").observe(0)[-1] == "O takes 1.\nO 2 3\n4 X 6\n7 8 9\nSay 2, 3, 4, 6, 7, 8 or 9."
    assert play("5").observe(1)[0].endswith("You are O.")


def test_a_taken_cell_is_refused() -> None:
    state = play("5")
    move = state.apply({1: "5"})[1]
    assert not move.legal
    assert "1, 2, 3, 4, 6, 7, 8, 9" in move.reason
    assert state.to_act() == (1,)
