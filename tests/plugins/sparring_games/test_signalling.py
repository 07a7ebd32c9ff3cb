"""Signalling: its contract, what conventions are worth over the whole tree, and that the receiver hears nothing but the symbol."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sparring.testing import check_game
from sparring_games.signalling import Signalling, SignallingParams
from sparring_tree import walk

GAME = Signalling(SignallingParams())


@pytest.mark.parametrize(
    "params", [{}, {"wording": "terse"}, {"objects": 3, "symbols": 2}, {"objects": 2, "symbols": 5}]
)
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(Signalling(SignallingParams(**params)), episodes=40)


def value(game: Signalling, says: dict[str, dict[str, float]], picks: dict[str, dict[str, float]]) -> float:
    """The expected return of a sender and a receiver, each a table of probabilities, over the whole tree."""
    total = 0.0
    for node in walk(game):
        if node.terminal:
            seen, said, picked = (event.text for event in node.history)
            total += node.probability * says[seen][said] * picks[said][picked] * node.state.outcome().returns[0]
    return total


def even(rows: list[str], columns: list[str]) -> dict[str, dict[str, float]]:
    return {row: dict.fromkeys(columns, 1 / len(columns)) for row in rows}


def pure(pairs: dict[str, str], columns: list[str]) -> dict[str, dict[str, float]]:
    return {row: {column: float(column == chosen) for column in columns} for row, chosen in pairs.items()}


def test_the_tree_has_a_leaf_for_each_object_symbol_and_answer() -> None:
    leaves = [node for node in walk(GAME) if node.terminal]
    assert len(leaves) == 4**3
    assert sum(node.probability for node in leaves) == pytest.approx(
        4 * 4
    )  # of chance alone: one for each pair of moves
    assert sum(node.state.outcome().returns[1] for node in leaves) == 4 * 4


def test_even_play_is_worth_one_in_as_many_as_there_are_objects() -> None:
    assert value(GAME, even(GAME.objects, GAME.symbols), even(GAME.symbols, GAME.objects)) == pytest.approx(1 / 4)


def test_every_convention_is_worth_one_with_itself_and_strangers_a_quarter_on_average() -> None:
    conventions = [dict(zip(GAME.objects, order, strict=True)) for order in itertools.permutations(GAME.symbols)]
    mine = pure(conventions[5], GAME.symbols)
    with_mine = [
        value(GAME, mine, pure({symbol: thing for thing, symbol in other.items()}, GAME.objects))
        for other in conventions
    ]
    assert with_mine[5] == pytest.approx(1)
    assert sorted(set(with_mine)) == pytest.approx([0, 1 / 4, 1 / 2, 1])
    assert sum(with_mine) / len(with_mine) == pytest.approx(1 / 4)


@pytest.mark.parametrize(("objects", "symbols"), [(4, 4), (3, 2), (2, 5)])
def test_the_best_convention_is_worth_what_the_game_says(objects: int, symbols: int) -> None:
    game = Signalling(SignallingParams(objects=objects, symbols=symbols))
    best = 0.0
    for said in itertools.product(game.symbols, repeat=objects):
        says = dict(zip(game.objects, said, strict=True))
        picks = {
            symbol: next((o for o in game.objects if says[o] == symbol), game.objects[0]) for symbol in game.symbols
        }
        best = max(best, value(game, pure(says, game.symbols), pure(picks, game.objects)))
    assert best == pytest.approx(game.best)


@pytest.mark.parametrize("wording", ["plain", "terse"])
def test_the_receiver_hears_the_symbol_and_not_the_object(play: Any, wording: str) -> None:
    game = Signalling(SignallingParams(wording=wording))  # type: ignore[arg-type]  # one of its literals
    heard = {tuple(play(game, "l", thing).observe(1)) for thing in game.objects}
    assert len(heard) == 1
    assert len({tuple(play(game, symbol, "bell").observe(1)) for symbol in game.symbols}) == 4
    assert "bell" in play(game, "", "bell").observe(0)[-1]


def test_no_object_can_be_spelled_by_a_symbol() -> None:
    game = Signalling(SignallingParams(objects=10, symbols=16))
    assert not {thing[0] for thing in game.objects} & set(game.symbols)


def test_moves_are_read_without_case_and_refused_with_the_legal_ones(play: Any) -> None:
    state = play(GAME, "", "drum")
    assert state.apply({0: "drum"})[0].reason == "'drum' is not one of the legal moves: k, l, m, n"
    assert state.apply({0: " M "})[0].action == "m"
    assert state.apply({1: "Drum"})[1].action == "drum"
    assert state.outcome().returns == (1, 1)
    assert play(GAME, "k,bell", "drum").outcome().kinds == ("loss", "loss")
