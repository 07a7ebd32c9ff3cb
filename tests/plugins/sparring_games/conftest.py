"""Matches with the draws and moves that a test names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from sparring import Game, State


class Draws:
    """Chance that draws what it is told to, by text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = list(texts)

    def pick(self, options: Sequence[Any], probabilities: Sequence[float] | None = None) -> Any:
        return {str(option): option for option in options}[self.texts.pop(0)]

    def clone(self) -> Draws:
        return Draws(self.texts)


@pytest.fixture
def play() -> Callable[..., Any]:
    """``play(game, moves, draws)``: the state after the moves, in words; who moves at once says ``"a/b"``."""

    def played(game: Game, moves: str = "", draws: str = "") -> State:
        state = game.new_state(Draws(draws.split()))
        for said in moves.split(","):
            if not said:
                continue
            players = state.to_act()
            texts = said.split("/") if len(players) > 1 else [said]
            for move in state.apply(dict(zip(players, texts, strict=True))).values():
                assert move.legal, move.reason
        return state

    return played
