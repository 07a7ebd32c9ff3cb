"""Tiny Hanabi: agreement with OpenSpiel for several tables, the best there is, and what stays hidden."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from sparring.testing import check_game, check_twin
from sparring_games.tiny_hanabi import TinyHanabi, TinyHanabiParams

GAME = TinyHanabi(TinyHanabiParams())
DISTINCT = {"num_chance": 2, "num_actions": 2, "payoff": tuple(range(16))}
UNEVEN = {"num_chance": 3, "num_actions": 2, "payoff": tuple(n * n % 23 - 9 for n in range(36))}


@pytest.mark.parametrize("params", [{}, DISTINCT, UNEVEN])
def test_it_is_a_sound_game_and_that_of_openspiel(params: dict[str, Any]) -> None:
    game = TinyHanabi(TinyHanabiParams(**params))
    check_game(game, episodes=40)
    check_twin(game)


def test_best_play_of_the_default_table_is_worth_ten() -> None:
    """All pairs of pure strategies: a choice for each card, and an answer for each card and choice."""
    cards, choices = GAME.cards, GAME.choices
    best = 0.0
    for told in itertools.product(choices, repeat=len(cards)):
        answers = [
            max(
                sum(
                    GAME.amount(first, second, choice, answer)
                    for first, choice in zip(cards, told, strict=True)
                    if choice == said
                )
                for answer in choices
            )
            for second in cards
            for said in choices
        ]
        best = max(best, sum(answers) / len(cards) ** 2)
    assert best == 10


def test_each_knows_its_own_card_and_player_1_the_choice(play: Any) -> None:
    assert len({tuple(play(GAME, "", f"1 {card}").observe(0)) for card in "12"}) == 1
    assert len({tuple(play(GAME, "B", f"{card} 1").observe(1)) for card in "12"}) == 1
    assert play(GAME, "B", "1 2").observe(1)[-1] == "player_0 chooses B.\nChoose A, B or C."
    assert "Your card: 2." in play(GAME, "", "1 2").observe(1)[0]


def test_the_rules_hold_the_table(play: Any) -> None:
    lines = play(GAME, "", "1 2").observe(0)[0].split("\n")
    assert "cards 1 and 1: AA 10, AB 0, AC 0, BA 4, BB 8, BC 4, CA 10, CB 0, CC 0" in lines
    assert play(GAME, "B,B", "1 1").outcome().returns == (8, 8)


def test_a_table_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValidationError, match="2 cards and 2 choices need 16"):
        TinyHanabiParams(num_actions=2)
