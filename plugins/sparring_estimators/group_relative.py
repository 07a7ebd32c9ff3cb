"""Group-relative advantages: each trajectory against the others of its group.

``A_i = (R_i - mean_g) / std_g``, Shao et al. 2024 (GRPO), arXiv:2402.03300, section 4.1.2; without the division it is
Dr. GRPO's (Liu et al. 2025, arXiv:2503.20783). We use the population standard deviation, and a group whose returns are all
equal gets zeros rather than a division by a small epsilon.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from sparring import Params, Trajectory
from sparring_estimators.keys import key_of

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class GroupRelativeParams(Params):
    key: list[str] = Field(["start", "role"], description="Labels whose equality makes a group.")
    divide_by_std: bool = Field(True, description="False: Dr. GRPO, advantages in reward units.")

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """A group of one has advantage zero: nothing would be learned."""
        return [
            (
                f"play.{number}.group_size",
                "group_relative compares episodes from the same start; it needs a group_size of at least 2",
            )
            for number, entry in enumerate(recipe.play)
            if entry.group_size == 1 and "start" in self.key and (entry.advantage or recipe.advantage).params == self
        ]


class GroupRelative:
    """Return minus the group's mean, divided by its standard deviation (GRPO)."""

    def __init__(self, params: GroupRelativeParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        groups: dict[object, list[float]] = defaultdict(list)
        keys = [key_of(trajectory, self.params.key) for trajectory in trajectories]
        for key, trajectory in zip(keys, trajectories, strict=True):
            groups[key].append(trajectory.total)
        found = []
        for key, trajectory in zip(keys, trajectories, strict=True):
            returns = groups[key]
            mean = math.fsum(returns) / len(returns)
            gap = trajectory.total - mean
            if self.params.divide_by_std:
                std = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / len(returns))
                gap = gap / std if max(returns) > min(returns) else 0.0
            found.append([gap] * len(trajectory.turns))
        return found
