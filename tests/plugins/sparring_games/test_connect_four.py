"""Connect four: rules, the board, and agreement with OpenSpiel."""

from __future__ import annotations

from typing import Any

import pytest

from sparring.testing import check_game, check_twin
from sparring_games.connect_four import ConnectFour, ConnectFourParams

GAME = ConnectFour(ConnectFourParams())


def test_it_is_a_sound_game() -> None:
    check_game(GAME, episodes=30)


@pytest.mark.parametrize(
    "params",
    [
        {"columns": 3, "rows": 2, "in_row": 2},
        {"columns": 3, "rows": 3, "in_row": 3},
        pytest.param({"columns": 4, "rows": 3, "in_row": 3}, marks=pytest.mark.slow),
    ],
)
def test_the_whole_tree_of_a_small_board_is_that_of_openspiel(params: dict[str, int]) -> None:
    check_twin(ConnectFour(ConnectFourParams(**params)))


def test_playouts_are_those_of_openspiel() -> None:
    check_twin(GAME, playouts=200)


@pytest.mark.slow
def test_many_playouts_are_those_of_openspiel() -> None:
    check_twin(GAME, playouts=10_000)


@pytest.mark.parametrize(
    ("moves", "returns"),
    [
        ("1,2,1,2,1,2,1", (1, -1)),  # a column
        ("1,1,2,2,3,3,4", (1, -1)),  # a row
        ("1,2,2,3,3,4,3,4,4,6,4", (1, -1)),  # a diagonal that rises
        ("7,6,6,5,5,4,5,4,4,2,4", (1, -1)),  # one that falls
        ("7,1,7,2,6,3,6,4", (-1, 1)),
    ],
)
def test_four_in_a_row_win(play: Any, moves: str, returns: tuple[int, int]) -> None:
    state = play(GAME, moves)
    assert state.to_act() == ()
    assert state.outcome().returns == returns
    assert play(GAME, moves.rpartition(",")[0]).to_act() != ()


def test_a_full_board_is_a_draw(play: Any) -> None:
    state = play(ConnectFour(ConnectFourParams(columns=2, rows=2, in_row=3)), "1,1,2,2")
    assert state.outcome().kinds == ("draw", "draw")


def test_the_newest_entry_holds_the_board_and_the_options(play: Any) -> None:
    assert play(GAME, "4,4,5").observe(1)[-1].split("\n") == [
        "X drops into 5.",
        ". . . . . . .",
        ". . . . . . .",
        ". . . . . . .",
        ". . . . . . .",
        ". . . O . . .",
        ". . . X X . .",
        "1 2 3 4 5 6 7",
        "Say 1, 2, 3, 4, 5, 6 or 7.",
    ]


@pytest.mark.parametrize("text", ["3", "[3]", "column 3", " Column 3."])
def test_columns_are_read_as_people_write_them(play: Any, text: str) -> None:
    assert play(GAME).apply({0: text})[0].action == "3"


def test_a_full_column_is_refused(play: Any) -> None:
    state = play(GAME, "1,1,1,1,1,1")
    move = state.apply({0: "1"})[0]
    assert not move.legal
    assert "2, 3, 4" in move.reason
