"""An entry of `play:` with its components made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparring.game import Game
from sparring.interfaces import AdvantageEstimator, Judge, Objective, RecordBuilder, RoleScheme, Sampling
from sparring.play import EpisodePlan, Held
from sparring.sections import RewardRule


@dataclass(slots=True)
class Entry:
    """``name`` is the recipe's name for it, or its game's; ``roles`` say who holds each before opponents are drawn."""

    number: int
    name: str
    game: Game | None
    scheme: RoleScheme
    roles: Mapping[str, Held]
    judges: Mapping[str, Judge]
    estimator: AdvantageEstimator
    builder: RecordBuilder
    objective: Objective
    sampling: Sampling
    rewards: RewardRule
    weight: float
    group_size: int

    def plan(self, episode: int, start: int, holders: Mapping[str, Held], key: tuple[object, ...]) -> EpisodePlan:
        """One episode of this entry; ``key`` is of the run, see `EpisodePlan`."""
        return EpisodePlan(
            episode, self.number, self.game, self.scheme, holders, self.judges, self.sampling, start, key, self.name
        )
