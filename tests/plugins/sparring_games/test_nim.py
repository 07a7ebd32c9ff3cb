"""Nim: agreement with OpenSpiel, Bouton's theorem, and how moves are read."""

from __future__ import annotations

import functools
import operator
from typing import Any

import pytest

from sparring.testing import check_game, check_twin
from sparring_games.nim import Nim, NimParams
from sparring_tree import walk


@pytest.mark.parametrize("params", [{}, {"pile_sizes": (3, 4, 5), "misere": False}])
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(Nim(NimParams(**params)), episodes=40)


@pytest.mark.parametrize("misere", [True, False])
@pytest.mark.parametrize("sizes", [(1, 2, 3), (2, 2, 2), (4, 2)])
def test_the_whole_tree_of_small_piles_is_that_of_openspiel(sizes: tuple[int, ...], misere: bool) -> None:
    check_twin(Nim(NimParams(pile_sizes=sizes, misere=misere)))


def test_playouts_are_those_of_openspiel() -> None:
    check_twin(Nim(NimParams()), playouts=1000)


@pytest.mark.slow
def test_many_playouts_are_those_of_openspiel() -> None:
    check_twin(Nim(NimParams()), playouts=10_000)


def test_a_single_pile_has_no_twin() -> None:
    assert Nim(NimParams(pile_sizes=(5,))).info.twin is None


@pytest.mark.parametrize("sizes", [(1, 2, 3), (1, 2, 2), (3, 3), (1, 1)])
def test_who_moves_first_wins_unless_the_exclusive_or_is_zero(sizes: tuple[int, ...]) -> None:
    """Bouton 1901, of play in which the last one wins."""
    value: dict[tuple[str, ...], float] = {}
    for node in reversed(list(walk(Nim(NimParams(pile_sizes=sizes, misere=False))))):
        moves = tuple(event.text for event in node.history)
        if node.player is None:
            value[moves] = node.state.outcome().returns[0]
        else:
            best = max if node.player == 0 else min
            value[moves] = best(value[*moves, action] for action in node.state.legal_actions(node.player) or ())
    assert value[()] == (1 if functools.reduce(operator.xor, sizes) else -1)


@pytest.mark.parametrize(("misere", "returns"), [(True, (-1, 1)), (False, (1, -1))])
def test_the_last_one_loses_or_wins(play: Any, misere: bool, returns: tuple[int, int]) -> None:
    game = Nim(NimParams(pile_sizes=(1, 2, 3), misere=misere))
    assert play(game, "C3,A1,B2").outcome().returns == returns


def test_piles_are_drawn(play: Any) -> None:
    asked = "Your opponent takes 2 from D.\nA: | (1)\nB: ||| (3)\nC: ||||| (5)\nD: ||||| (5)\nSay a pile and how many to take."
    assert play(Nim(NimParams()), "D2").observe(1)[-1] == asked


@pytest.mark.parametrize(
    "text", ["B2", "b2", "B 2", "B: 2", "[B2]", "take 2 from B", "2 from pile b", "I take 2 of B."]
)
def test_moves_are_read_as_people_write_them(play: Any, text: str) -> None:
    assert play(Nim(NimParams())).apply({0: text})[0].action == "B2"


@pytest.mark.parametrize("text", ["B4", "E1", "B0", "B", "2", "B1 and C1", ""])
def test_what_cannot_be_taken_is_refused(play: Any, text: str) -> None:
    move = play(Nim(NimParams())).apply({0: text})[0]
    assert not move.legal
    assert "B1, B2, B3" in move.reason
