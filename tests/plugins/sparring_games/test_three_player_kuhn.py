"""Kuhn poker for three: agreement with OpenSpiel, the accounts, and what stays hidden."""

from __future__ import annotations

from typing import Any

import pytest

from sparring.testing import check_game, check_twin
from sparring_games.three_player_kuhn import ThreePlayerKuhn, ThreePlayerKuhnParams

GAME = ThreePlayerKuhn(ThreePlayerKuhnParams())


def test_it_is_a_sound_game() -> None:
    check_game(GAME, episodes=60)


def test_the_whole_tree_is_that_of_openspiel() -> None:
    check_twin(GAME)


@pytest.mark.parametrize(
    ("moves", "returns"),
    [
        ("check,check,check", (-1, -1, 2)),
        ("bet,fold,fold", (2, -1, -1)),
        ("bet,call,fold", (-2, 3, -1)),
        ("check,bet,call,call", (-2, -2, 4)),
        ("check,check,bet,call,fold", (-2, -1, 3)),
    ],
)
def test_the_highest_card_that_stayed_wins(play: Any, moves: str, returns: tuple[int, ...]) -> None:
    assert play(GAME, moves, "J Q A").outcome().returns == returns


def test_everybody_is_told_every_move_and_only_shown_cards(play: Any) -> None:
    state = play(GAME, "check,bet,fold,call", "J Q A")
    assert state.observe(2)[1:] == [
        "player_0 checks.",
        "player_1 bets.\nChoose one word: fold or call.",
        "player_0 calls.\nplayer_0 has J.\nplayer_1 has Q.\nYou lose 1.",
    ]
    assert "A" not in state.observe(0)[-1]


def test_a_pot_won_by_folds_shows_nothing(play: Any) -> None:
    told = {tuple(play(GAME, "bet,fold,fold", f"K {cards}").observe(0)) for cards in ("J Q", "A J", "Q A")}
    assert len(told) == 1


def test_what_may_be_said_follows_the_bet(play: Any) -> None:
    state = play(GAME, "bet", "J Q A")
    assert not state.apply({1: "check"})[1].legal
    assert state.apply({1: "CALL"})[1].action == "call"
