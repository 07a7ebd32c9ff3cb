"""Liar's dice: agreement with OpenSpiel, bids, the wild face, and what stays hidden."""

from __future__ import annotations

from typing import Any

import pytest

from sparring.testing import check_game, check_twin
from sparring_games.liars_dice import LiarsDice, LiarsDiceParams

FOUR = LiarsDice(LiarsDiceParams(dice_sides=4))


@pytest.mark.parametrize("params", [{}, {"dice_sides": 4}, {"numdice": 2}])
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(LiarsDice(LiarsDiceParams(**params)), episodes=60)


@pytest.mark.parametrize("params", [{"dice_sides": 4}, {"numdice": 2, "dice_sides": 2}])
def test_the_whole_tree_is_that_of_openspiel(params: dict[str, int]) -> None:
    check_twin(LiarsDice(LiarsDiceParams(**params)))


def test_playouts_with_six_faces_are_those_of_openspiel() -> None:
    check_twin(LiarsDice(LiarsDiceParams()), playouts=10_000)


@pytest.mark.slow
def test_the_whole_tree_with_six_faces_is_that_of_openspiel() -> None:
    check_twin(LiarsDice(LiarsDiceParams()))


@pytest.mark.parametrize(
    ("dice", "moves", "winner"),
    [
        ("1 2", "1x2,liar", 0),
        ("1 2", "1x3,liar", 1),
        ("4 2", "2x2,liar", 0),  # a four counts as a two
        ("4 2", "1x1,2x4,liar", 0),  # but a two not as a four
        ("3 3", "1x3,2x3,liar", 1),
    ],
)
def test_a_bid_that_holds_wins(play: Any, dice: str, moves: str, winner: int) -> None:
    returns = play(FOUR, moves, dice).outcome().returns
    assert returns == ((1, -1) if winner == 0 else (-1, 1))


def test_bids_rise(play: Any) -> None:
    assert play(FOUR, "1x3", "1 1").legal_actions(1) == ["1x4", "2x1", "2x2", "2x3", "2x4", "liar"]
    assert play(FOUR, "2x4", "1 1").legal_actions(1) == ["liar"]
    assert "liar" not in play(FOUR, "", "1 1").legal_actions(0)


@pytest.mark.parametrize("text", ["2x3", "2 x 3", "2-3", "[2X3]", "I bid 2 3s.", "bid 2 of 3"])
def test_bids_are_read_as_people_write_them(play: Any, text: str) -> None:
    assert play(FOUR, "1x1", "1 1").apply({1: text})[1].action == "2x3"


@pytest.mark.parametrize("text", ["1x1", "3x1", "2x5", "two threes", "not a liar", "2", ""])
def test_what_is_no_higher_bid_is_refused(play: Any, text: str) -> None:
    move = play(FOUR, "1x2", "1 1").apply({1: text})[1]
    assert not move.legal
    assert "1x3" in move.reason


def test_only_one_s_own_dice_are_told_until_the_end(play: Any) -> None:
    told = {tuple(play(FOUR, "1x1,2x1", f"3 {die}").observe(0)) for die in range(1, 5)}
    assert len(told) == 1
    (log,) = told
    assert "You rolled 3." in log[0]
    assert log[1] == "Your opponent bids 2x1.\nBid more, up to 2x4, or say liar."
    assert (
        "Your opponent has 2. The bid 2x1 does not hold.\nYou win." in play(FOUR, "1x1,2x1,liar", "3 2").observe(0)[-1]
    )
