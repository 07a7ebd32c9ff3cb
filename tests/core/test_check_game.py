"""The card of `sparring check-game`: what it says of games whose trees and twins are known, and of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sparring_cli import main

LEAKY = '''
"""Kuhn poker that tells player 1 the other's card."""
from sparring import hookimpl
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams, KuhnState


class LeakyState(KuhnState):
    __slots__ = ()

    def observe(self, player):
        return [*super().observe(player)[:1], *(self.cards if player else ()), *super().observe(player)[1:]]

    def clone(self):
        other = super().clone()
        other.__class__ = LeakyState
        return other


class Leaky(KuhnPoker):
    def new_state(self, chance):
        state = LeakyState(self, chance)
        state.deal()
        return state

    def restore(self, snapshot, chance):
        state = super().restore(snapshot, chance)
        state.__class__ = LeakyState
        return state


@hookimpl
def sparring_register_games(register):
    register("leaky", Leaky, KuhnPokerParams)
'''


def card(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check-game", *arguments])


def test_the_card_of_kuhn_poker() -> None:
    result = card("kuhn_poker", "--episodes", "20")
    assert result.exit_code == 0, result.output
    for line in (
        "declares  returns zero-sum, from -2 to 2; hidden information; one move at a time; at most 3 moves",
        "contract  kept in 20 random matches, seed 0",
        "tree      54 nodes, 30 of them ends; 12 positions as players know them",
        "twin      kuhn_poker of OpenSpiel agrees in the whole tree",
    ):
        assert line in result.output.split("\n")


def test_a_tree_beyond_the_limit_is_compared_along_playouts() -> None:
    result = card(
        "goofspiel", "--set", "num_cards=5", "--set", "points_order=random", "--limit", "50", "--playouts", "20"
    )
    assert "tree      more than 50 nodes" in result.output
    assert "points_order=random,returns_type=win_loss)) of OpenSpiel agrees along 20 random matches" in result.output
    assert "moves at once" in result.output


def test_a_game_of_free_text_and_without_a_twin() -> None:
    result = card("taboo", "--episodes", "5")
    assert result.exit_code == 0, result.output
    assert "tree      none: moves are free text" in result.output
    assert "twin      none declared" in result.output


def test_a_game_that_tells_too_much_fails(tmp_path: Path) -> None:
    file = tmp_path / "leaky.py"
    file.write_text(LEAKY)
    result = card("leaky", "--episodes", "5", "--plugin", str(file))
    assert result.exit_code != 0
    assert "is told more than information state" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kuhn_pokr"], "did you mean 'kuhn_poker'"),
        (["kuhn_poker", "--set", "rounds"], "KEY=VALUE"),
        (["kuhn_poker", "--set", "rounds=none"], "rounds"),
    ],
)
def test_mistakes_are_told(arguments: list[str], message: str) -> None:
    result = card(*arguments)
    assert result.exit_code != 0
    assert not result.exception or isinstance(result.exception, SystemExit)
    assert message in result.output
