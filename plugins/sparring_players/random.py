"""The player `random`: any legal action, each equally likely; where moves are free text, what the game samples."""

from __future__ import annotations

from sparring import Chance, Params, State, random_action


class RandomParams(Params):
    """It has no parameters."""


class Random:
    """Plays any legal action, each equally likely."""

    def __init__(self, params: RandomParams) -> None:
        self.params = params

    def act(self, player: int, state: State, chance: Chance) -> str:
        return random_action(state, player, chance)
