"""The player `equilibrium`: plays a known equilibrium of its game, so that nobody can win from it in the long run.

A game offers one by a method of its states: see `Solved`. Of the bundled games a single hand of ``kuhn_poker`` does,
for every ``alpha`` (Kuhn 1950).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from pydantic import Field

from sparring import Chance, Game, Params, Player, SeededChance, SparringError, State


@runtime_checkable
class Solved(Protocol):
    """A state of a game with a known family of equilibria."""

    def equilibrium(self, player: int, alpha: float) -> Mapping[str, float]:
        """Probability of each legal action of the player; ``alpha`` says which equilibrium of the family."""
        ...


class EquilibriumParams(Params):
    alpha: float = Field(
        1 / 6, ge=0, le=1 / 3, description="Which equilibrium: how often the first player to act bets a jack, 0 to 1/3."
    )


class Equilibrium:
    """Plays a known equilibrium of its game; of the bundled games, a single hand of Kuhn poker has one."""

    def __init__(self, params: EquilibriumParams) -> None:
        self.params = params

    def playing(self, game: Game) -> Player:
        chance = SeededChance("equilibrium")
        state = game.new_state(chance)
        self.act(state.to_act()[0], state, chance)
        return self

    def act(self, player: int, state: State, chance: Chance) -> str:
        if not isinstance(state, Solved):
            raise SparringError(
                "the player equilibrium knows no equilibrium of this game; a single hand of kuhn_poker has one"
            )
        strategy = state.equilibrium(player, self.params.alpha)
        return chance.pick(list(strategy), list(strategy.values()))
