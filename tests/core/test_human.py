"""A person at the terminal: what is shown and when a move is asked for again."""

from __future__ import annotations

import pytest

from sparring import SeededChance
from sparring.plugins import load_plugins
from sparring_cli.play import Human


def sit(game: str, player: int, typed: list[str]) -> tuple[str, list[str]]:
    """The move that a person makes first in a game, and what it was shown."""
    host = load_plugins()
    component = host.registry.find("game", game)
    assert component is not None
    state = component.factory(component.params()).new_state(SeededChance())
    shown: list[str] = []
    text = Human(lambda label: typed.pop(0), shown.append).act(player, state, SeededChance())
    assert not typed
    return text, shown


@pytest.mark.parametrize(
    ("game", "player", "typed", "reason"),
    [
        ("tic_tac_toe", 0, ["10", "5"], "'10' is not one of the legal moves"),
        # Both of these move at the same time as others; the second is free text.
        ("matrix_game", 1, ["lizard", " Rock"], "'lizard' is not one of the legal moves"),
        ("blind_auction", 0, ["A lot", "A 5"], "'a lot' is no bid such as 'A 120'"),
    ],
)
def test_an_illegal_move_is_told_and_asked_for_again(game: str, player: int, typed: list[str], reason: str) -> None:
    last = typed[-1].strip()
    text, shown = sit(game, player, typed)
    assert text == last
    assert len(shown) == 2
    assert shown[1].startswith(f"not a legal move: {reason}")


def test_the_end_is_shown() -> None:
    host = load_plugins()
    component = host.registry.find("game", "matrix_game")
    assert component is not None
    state = component.factory(component.params()).new_state(SeededChance())
    shown: list[str] = []
    human = Human(lambda label: "rock", shown.append)
    human.look()
    assert shown == []
    state.apply({0: human.act(0, state, SeededChance()), 1: "scissors"})
    human.look()
    assert shown == state.observe(0)
    assert shown[-1] == "Your opponent chose scissors. You get 1."
