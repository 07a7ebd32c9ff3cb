"""Opponents that never learn: players, and policies of the recipe that stay as they are, drawn by weight.

Against a single opponent on a given seat a recipe needs no sampler: ``roles: {player_1: random}`` says it all. This is for
several of them, and for a learner that takes every seat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from sparring import Chance, Opponent, Params
from sparring.sections import Holder
from sparring_opponents.seats import SEAT, Seat, opposite

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class FixedOpponent(Params):
    """One of those drawn from."""

    holder: Holder = Field(description="A player, or a policy that is not trainable: a checkpoint, for example.")
    weight: float = Field(1.0, gt=0, description="How often it is drawn, relative to the others.")


class FixedParams(Params):
    among: list[FixedOpponent] = Field(min_length=1, description="Who is drawn from.")
    self_play: float = Field(0.0, ge=0, lt=1, description="Share of episodes against the policy as it is now.")
    seat: Seat = Field("random", description=SEAT)

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, raw: object) -> object:
        """``among: [random, minimax]`` for opponents of equal weight."""
        if not isinstance(raw, dict) or not isinstance(raw.get("among"), list):
            return raw
        return {**raw, "among": [{"holder": one} if isinstance(one, str) else one for one in raw["among"]]}

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        return [
            (f"among.{number}.holder", f"policy '{one.holder}' is trained, so it is no fixed opponent; give it trainable: false")
            for number, one in enumerate(self.among)
            if isinstance(one.holder, str) and recipe.policies[one.holder].trainable
        ]  # fmt: skip


class Fixed:
    """Players and policies that are not trained, drawn by weight for all seats but the learner's."""

    def __init__(self, params: FixedParams) -> None:
        self.params = params
        self._among: list[Opponent] = [
            one.holder if isinstance(one.holder, str) else (one.holder.use, one.holder.make()) for one in params.among
        ]
        total = sum(one.weight for one in params.among)
        self._shares = [(1 - params.self_play) * one.weight / total for one in params.among]

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, Opponent]:
        choices: list[Opponent] = [None, *self._among]
        opponent = chance.pick(choices, [self.params.self_play, *self._shares])
        return opposite(opponent, roles, self.params.seat, chance)

    def members(self, policy: str) -> list[int]:
        return []

    def step_ended(self, policy: str, version: int) -> None:
        pass
