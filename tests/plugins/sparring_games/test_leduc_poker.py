"""Leduc poker: agreement with OpenSpiel, the accounts, the words, and what stays hidden."""

from __future__ import annotations

from typing import Any

import pytest

from sparring.testing import check_game, check_twin
from sparring_games.leduc_poker import LeducPoker, LeducPokerParams

GAME = LeducPoker(LeducPokerParams())


@pytest.mark.parametrize("params", [{}, {"suits": False, "wording": "terse"}])
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(LeducPoker(LeducPokerParams(**params)), episodes=60)


@pytest.mark.parametrize("wording", ["plain", "terse"])
@pytest.mark.parametrize("suits", [True, False])
def test_the_whole_tree_is_that_of_openspiel(suits: bool, wording: Any) -> None:
    check_twin(LeducPoker(LeducPokerParams(suits=suits, wording=wording)))


@pytest.mark.parametrize(
    ("draws", "moves", "won"),
    [
        ("Ks Qs", "bet,fold", 1),
        ("Ks Qs", "check,bet,fold", -1),
        ("Ks Qs Jh", "check,check,check,check", 1),
        ("Ks Qs Qh", "check,check,check,check", -1),  # a pair beats the king
        ("Ks Kh Qh", "bet,call,bet,raise,call", 0),
        ("Ks Qs Kh", "bet,raise,call,bet,raise,call", 13),  # the most there is to win
    ],
)
def test_the_pot_goes_to_a_pair_then_to_the_higher_card(play: Any, draws: str, moves: str, won: int) -> None:
    assert play(GAME, moves, draws).outcome().returns == (won, -won)


def test_two_bets_a_round() -> None:
    assert GAME.info.max_turns == 8


def test_what_may_be_said_follows_the_bets(play: Any) -> None:
    for moves, legal in [
        ("", ["check", "bet"]),
        ("bet", ["fold", "call", "raise"]),
        ("bet,raise", ["fold", "call"]),
        ("bet,call", ["check", "bet"]),
    ]:
        state = play(GAME, moves, "Js Qs Kh")
        assert state.legal_actions(state.to_act()[0]) == legal


def test_a_player_is_told_its_card_the_others_moves_and_the_open_card(play: Any) -> None:
    state = play(GAME, "check,bet,call", "Js Qs Kh")
    first, second = state.observe(0), state.observe(1)
    assert first[0].endswith("Your card: Js.\nThe pot holds 2.\nChoose one word: check or bet.")
    assert first[1:] == [
        "Your opponent bets.\nThe pot holds 4.\nChoose one word: fold, call or raise.",
        "The open card is Kh.\nThe pot holds 6.\nChoose one word: check or bet.",
    ]
    assert second[1].startswith("Your opponent checks.")
    assert second[2] == "Your opponent calls.\nThe open card is Kh."


def test_terse_words_for_tiny_models(play: Any) -> None:
    state = play(LeducPoker(LeducPokerParams(suits=False, wording="terse")), "check,bet,call", "J Q K")
    assert state.observe(0) == [
        "Leduc J<Q<K\nJ\ncheck or bet?",
        "opponent bet\nfold, call or raise?",
        "open K\ncheck or bet?",
    ]


def test_a_folded_hand_stays_hidden(play: Any) -> None:
    told = {tuple(play(GAME, "bet,fold", f"Ks {card}").observe(0)) for card in ("Js", "Qs", "Kh")}
    assert len(told) == 1
    assert "opponent has Qs" in play(GAME, "check,check,check,check", "Ks Qs Jh").observe(0)[-1]


def test_moves_are_read_without_case_and_never_guessed(play: Any) -> None:
    state = play(GAME, "", "Js Qs")
    for text in ("raise", "call", "I bet", "", "fold"):
        move = state.apply({0: text})[0]
        assert not move.legal
        assert "check, bet" in move.reason
    assert state.apply({0: " Bet\n"})[0].action == "bet"
