"""Trajectories that are compared with each other, and what is done with one that nothing is compared with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sparring import Params, Trajectory
from sparring_estimators.keys import Key, key_of

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class GroupParams(Params):
    """What makes a group."""

    key: list[str] = Field(["start", "role"], description="Labels whose equality makes a group.")
    singleton: Literal["zero", "passthrough"] = Field(
        "zero",
        description="What a group of one gets: nothing, or its return as if the mean were 0 and the deviation 1 (verl).",
    )

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """Groups of one from end to end have advantage zero: nothing would be learned."""
        if self.singleton != "zero" or "start" not in self.key:
            return []
        found = []
        for number, entry in enumerate(recipe.play):
            chosen = entry.advantage or recipe.advantage
            # A scheme that answers several times in one episode makes groups too.
            alone = entry.group_size == 1 and getattr(entry.scheme.params, "once_per_role", False)
            if alone and chosen.params == self:
                text = f"{chosen.use} compares episodes from the same start; it needs a group_size of at least 2"
                found.append((f"play.{number}.group_size", text))
        return found


def groups_of(trajectories: Sequence[Trajectory], key: Sequence[str]) -> list[list[int]]:
    """Numbers of the trajectories of each group, groups in the order of their first one."""
    found: dict[Key, list[int]] = defaultdict(list)
    for number, trajectory in enumerate(trajectories):
        found[key_of(trajectory, key)].append(number)
    return list(found.values())


def gaps(returns: Sequence[float], singleton: str) -> list[float]:
    """Each return minus the mean of its group, in reward units: 0 for all if all are equal."""
    if len(returns) == 1:
        return [returns[0] if singleton == "passthrough" else 0.0]
    if max(returns) == min(returns):  # their mean may be off by a rounding
        return [0.0] * len(returns)
    mean = math.fsum(returns) / len(returns)
    return [value - mean for value in returns]
