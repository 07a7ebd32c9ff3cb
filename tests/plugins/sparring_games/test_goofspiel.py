"""Goofspiel: agreement with OpenSpiel, prizes, and what players are told of each other's cards."""

from __future__ import annotations

from typing import Any

import pytest

from sparring import SeededChance
from sparring.testing import check_game, check_twin
from sparring_games.goofspiel import Goofspiel, GoofspielParams
from sparring_tree import walk


def goofspiel(**params: Any) -> Goofspiel:
    return Goofspiel(GoofspielParams(**params))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"imp_info": False, "returns_type": "point_difference"},
        {"num_cards": 13, "points_order": "random"},
        {"num_cards": 2, "points_order": "ascending"},
    ],
)
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(goofspiel(**params), episodes=40)


@pytest.mark.parametrize("returns_type", ["win_loss", "point_difference"])
@pytest.mark.parametrize("points_order", ["descending", "ascending", "random"])
@pytest.mark.parametrize("imp_info", [True, False])
def test_the_whole_tree_with_three_cards_is_that_of_openspiel(
    imp_info: bool, points_order: Any, returns_type: Any
) -> None:
    check_twin(goofspiel(num_cards=3, imp_info=imp_info, points_order=points_order, returns_type=returns_type))


@pytest.mark.parametrize(
    "params",
    [
        {"num_cards": 4},
        pytest.param(
            {"num_cards": 4, "returns_type": "point_difference", "points_order": "random"}, marks=pytest.mark.slow
        ),
        pytest.param({"num_cards": 5}, marks=pytest.mark.slow),
    ],
)
def test_larger_trees_are_those_of_openspiel(params: dict[str, Any]) -> None:
    check_twin(goofspiel(**params))


def test_playouts_with_six_cards_are_those_of_openspiel() -> None:
    check_twin(goofspiel(num_cards=6, points_order="random"), playouts=2000)


@pytest.mark.slow
def test_playouts_of_the_whole_deck_are_those_of_openspiel() -> None:
    check_twin(goofspiel(num_cards=13, points_order="random"), playouts=10_000)


def test_open_cards_pay_what_openspiel_pays() -> None:
    """Where what is known cannot be compared: every history of four open cards has the same moves and returns."""
    import pyspiel

    game = goofspiel(num_cards=4, imp_info=False)
    assert game.info.twin is None
    other = pyspiel.load_game(
        "turn_based_simultaneous_game(game=goofspiel(num_cards=4,imp_info=false,points_order=descending))"
    )
    leaves = 0
    for node in walk(game):
        state = other.new_initial_state()
        for event in node.history:
            state.apply_action(int(event.text) - 1)
        if node.player is None:
            leaves += 1
            assert list(node.state.outcome().returns) == state.returns()
        else:
            legal = node.state.legal_actions(node.player)
            assert [int(action) - 1 for action in legal or ()] == state.legal_actions()
    assert leaves == (4 * 3 * 2) ** 2


def test_equal_cards_leave_the_prize_and_the_last_ones_are_played_by_themselves(play: Any) -> None:
    """3 against 3 for the prize 3; 2 against 1 for the 2; what is left is 1 against 2 for the 1."""
    state = play(goofspiel(num_cards=3, returns_type="point_difference"), "3/3,2/1")
    assert state.points == [2, 1]
    assert state.outcome().returns == (0.5, -0.5)
    assert play(goofspiel(num_cards=3), "3/3,2/1").outcome().returns == (1, -1)


def test_a_hidden_card_stays_hidden(play: Any) -> None:
    """Player 0 wins the first prize with its 4, whatever lower card the other played."""
    told = {tuple(play(goofspiel(), f"4/{card}").observe(0)) for card in (1, 2, 3)}
    assert len(told) == 1
    told = {tuple(play(goofspiel(imp_info=False), f"4/{card}").observe(0)) for card in (1, 2, 3)}
    assert len(told) == 3


def test_the_newest_entry_asks_for_a_card(play: Any) -> None:
    asked = "Your opponent wins the 4.\nPoints: you 0, opponent 4.\nPrize 3. Play 1, 3 or 4."
    assert play(goofspiel(), "4/2").observe(1)[-1] == asked


@pytest.mark.parametrize("text", ["3", " 3 ", "[3]", "card 3", "Card 3."])
def test_cards_are_read_as_people_write_them(text: str) -> None:
    state = goofspiel().new_state(SeededChance())
    assert state.apply({0: text, 1: "1"})[0].action == "3"


@pytest.mark.parametrize("text", ["5", "0", "three", "3 or 4", ""])
def test_what_is_no_card_of_the_hand_moves_nobody(text: str) -> None:
    state = goofspiel().new_state(SeededChance())
    assert not state.apply({0: text, 1: "1"})[0].legal
    assert state.legal_actions(1) == ["1", "2", "3", "4"]
