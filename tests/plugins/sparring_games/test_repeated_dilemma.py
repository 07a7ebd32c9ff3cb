"""Repeated dilemmas: that the tables are the dilemmas they are called, sums over rounds, and when it is over."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sparring import SeededChance
from sparring.testing import check_game
from sparring_games.repeated_dilemma import RepeatedDilemma, RepeatedDilemmaParams
from sparring_tree import walk


def dilemma(**params: Any) -> RepeatedDilemma:
    return RepeatedDilemma(RepeatedDilemmaParams(**params))


@pytest.mark.parametrize("name", ["prisoners_dilemma", "stag_hunt", "chicken"])
@pytest.mark.parametrize("stop_probability", [0.0, 0.3])
def test_it_is_a_sound_game(name: Any, stop_probability: float) -> None:
    check_game(dilemma(dilemma=name, stop_probability=stop_probability), episodes=40)


def test_the_tables_are_those_dilemmas() -> None:
    """By reward R, sucker's payoff S, temptation T and punishment P (Rapoport and Chammah 1965)."""
    orders = {
        "prisoners_dilemma": lambda r, s, t, p: t > r > p > s and 2 * r > t + s,
        "stag_hunt": lambda r, s, t, p: r > t >= p > s,
        "chicken": lambda r, s, t, p: t > r > s > p,
    }
    for name, holds in orders.items():
        game = dilemma(dilemma=name)
        trust, other = game.choices
        pairs = ((trust, trust), (trust, other), (other, trust), (other, other))
        assert holds(*(game.amount(mine, theirs) for mine, theirs in pairs)), name


def test_the_prisoners_dilemma_agrees_with_openspiel_in_what_is_best() -> None:
    """OpenSpiel's matrix_pd has other numbers, in the same order."""
    import pyspiel

    game, other = dilemma(), pyspiel.load_matrix_game("matrix_pd")
    ours = [game.amount(a, b) for a, b in itertools.product(game.choices, repeat=2)]
    theirs = [other.player_utility(0, i, j) for i, j in itertools.product(range(2), repeat=2)]
    assert sorted(range(4), key=ours.__getitem__) == sorted(range(4), key=theirs.__getitem__)


def test_returns_are_sums_over_rounds(play: Any) -> None:
    state = play(dilemma(rounds=3), "cooperate/cooperate,cooperate/defect,defect/defect")
    assert state.outcome().returns == (3 + 0 + 1, 3 + 5 + 1)
    assert state.outcome().kinds == ("loss", "win")
    assert state.observe(0)[2:] == [
        "Your opponent chose defect. You get 0.\nRound 3. Say cooperate or defect.",
        "Your opponent chose defect. You get 1.\nIt is over; you have 4.",
    ]


def test_it_may_be_over_after_any_round(play: Any) -> None:
    assert play(dilemma(stop_probability=0.5), "cooperate/defect", "stop").to_act() == ()
    rounds = [node for node in walk(dilemma(rounds=2, stop_probability=0.25)) if node.terminal]
    assert sum(node.probability for node in rounds if len(node.history) == 3) == pytest.approx(4 * 0.25)


def test_nobody_knows_the_other_s_choice_before_its_own() -> None:
    nodes = [node for node in walk(dilemma(rounds=1)) if node.player == 1]
    assert len(nodes) == 2
    assert len({tuple(node.state.observe(1)) for node in nodes}) == 1


def test_one_illegal_choice_moves_nobody() -> None:
    state = dilemma().new_state(SeededChance())
    read = state.apply({0: "[Defect]", 1: "stay silent"})
    assert read[0].action == "defect"
    assert not read[1].legal
    assert state.observe(0) == state.observe(1)
    assert len(state.observe(0)) == 1
