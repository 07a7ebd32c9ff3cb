"""Truth and deception: the choice decides, statements are what they say, and only the deceiver knows."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest

from sparring import SeededChance
from sparring.testing import check_game
from sparring_games.facts import MAKERS, TOPICS, Topic
from sparring_games.truth_and_deception import TruthAndDeception, TruthAndDeceptionParams, TruthState


def play(*moves: str, seed: int = 0, **params: Any) -> TruthState:
    state = TruthAndDeception(TruthAndDeceptionParams(**params)).new_state(SeededChance(seed))
    for text in moves:
        player = state.to_act()[0]
        move = state.apply({player: text})[player]
        assert move.legal, move.reason
    return state


def is_product(text: str) -> bool:
    first, second, result = map(int, re.findall(r"\d+", text))
    return first * second == result


def is_weekday(text: str) -> bool:
    said, _, day = text.partition(" is a ")
    return datetime.datetime.strptime(said, "%d %B %Y").strftime("%A") == day


def is_factor(text: str) -> bool:
    number, factor = map(int, re.findall(r"\d+", text))
    return factor == next(n for n in range(2, number + 1) if number % n == 0)


@pytest.mark.parametrize("params", [{}, {"turns": 2, "topics": ["coin"]}])
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(TruthAndDeception(TruthAndDeceptionParams(**params)), episodes=40)


@pytest.mark.parametrize(("topic", "check"), [("product", is_product), ("weekday", is_weekday), ("factor", is_factor)])
def test_the_true_statement_is_true_and_the_false_one_false(topic: Topic, check: Callable[[str], bool]) -> None:
    for seed in range(500):
        true, false = MAKERS[topic](SeededChance(seed))
        assert check(true), true
        assert not check(false), false


def test_every_topic_has_a_maker() -> None:
    assert set(MAKERS) == set(TOPICS)
    assert {MAKERS["coin"](SeededChance(seed))[0][-5:] for seed in range(20)} == {"heads", "tails"}


@pytest.mark.parametrize("seed", range(6))
def test_the_choice_decides(seed: int) -> None:
    for choice in (1, 2):
        state = play(*["hm"] * 5, f"fact {choice}", seed=seed)
        won = 1 if choice == state.true else -1
        assert state.outcome().returns == (-won, won)
        assert state.observe(1)[-1].endswith("You win." if won > 0 else "You lose.")


def test_the_sixth_turn_is_the_choice() -> None:
    state = play(*["hm"] * 5)
    assert (state.to_act(), state.legal_actions(1)) == ((1,), ["fact 1", "fact 2"])
    assert state.observe(1)[-1].endswith("Say fact 1 or fact 2.")
    assert play("hm").legal_actions(1) is None


@pytest.mark.parametrize("said", ["2", "fact 2", "Fact 2.", "[Fact 2]", "I choose fact 2", "#2", " fact  2\n"])
def test_a_choice_is_read_as_people_write_it(said: str) -> None:
    assert play("hm", turns=2).apply({1: said})[1].action == "fact 2"


@pytest.mark.parametrize("said", ["", "3", "fact 1 or 2", "not fact 2", "both", "fact 12"])
def test_what_is_no_choice_is_refused(said: str) -> None:
    assert "fact 1, fact 2" in play("hm", turns=2).apply({1: said})[1].reason


def test_an_empty_message_is_refused() -> None:
    assert play().apply({0: " \n"})[0].reason == "an empty message"


def test_only_the_deceiver_knows() -> None:
    """With the same two statements the guesser is told the same whichever is true."""
    for seed in range(10):
        state = play(seed=seed)
        other = TruthAndDeception(TruthAndDeceptionParams()).new_state(SeededChance(seed))
        other.logs = [[], []]
        true, false = other.facts[other.true - 1], other.facts[2 - other.true]
        other.begin(false, true, 3 - state.true)
        for text in ("believe me", "why?", "because"):
            for each in (state, other):
                each.apply({each.to_act()[0]: text})
        assert other.facts == state.facts
        assert other.observe(1) == state.observe(1)
        assert other.observe(0) != state.observe(0)


def test_either_fact_is_the_true_one_half_of_the_time() -> None:
    firsts = sum(play(seed=seed).true == 1 for seed in range(400))
    assert 160 < firsts < 240
