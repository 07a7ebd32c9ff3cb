"""The player `random`: any legal action, each equally likely."""

from __future__ import annotations

from sparring import Chance, Params, SparringError, State


class RandomParams(Params):
    """It has no parameters."""


class Random:
    """Plays any legal action, each equally likely."""

    def __init__(self, params: RandomParams) -> None:
        self.params = params

    def act(self, player: int, state: State, chance: Chance) -> str:
        actions = state.legal_actions(player)
        if not actions:
            raise SparringError("the player random needs a game that lists its legal actions; this one takes free text")
        return chance.pick(actions)
