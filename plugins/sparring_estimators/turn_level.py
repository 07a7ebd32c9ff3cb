"""Turn-level advantages, centred for each agent: every turn has its own return-to-go, less the mean over all turns of its like.

``R_k = Σ_{j≥k} γ^(j-k) r_j`` over the turns of a trajectory, and ``A_k = R_k - mean of R over all turns of the step with the same
key``; no division by a deviation. Source: MARSHAL, arXiv:2510.15414: rewards are summed first and then normalised, since
normalising them first and then summing makes an advantage depend on how many turns follow. It equals generalised advantage
estimation with γ = λ = 1 and the subgroup's mean as the value. The repository (2db0222) instead subtracts a mean from every
response token before summing, which adds a drift proportional to what remains, and takes it over unique values; this is the
paper's form. The mean counts turns, not trajectories.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from pydantic import Field

from sparring import Params, Trajectory
from sparring_estimators.keys import Key, discounted, key_of


class TurnLevelParams(Params):
    key: list[str] = Field(
        ["game", "role"], min_length=1, description="Labels whose equality makes turns comparable: one mean for each."
    )
    gamma: float = Field(1.0, gt=0, le=1, description="Discount of rewards for each turn that they are ahead.")


class TurnLevel:
    """Each turn's return-to-go minus the mean over all turns of the same game and role (MARSHAL)."""

    def __init__(self, params: TurnLevelParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        returns = [discounted(trajectory, self.params.gamma) for trajectory in trajectories]
        keys = [key_of(trajectory, self.params.key) for trajectory in trajectories]
        members: dict[Key, list[float]] = defaultdict(list)
        for key, values in zip(keys, returns, strict=True):
            members[key] += values
        means = {key: math.fsum(values) / len(values) for key, values in members.items() if values}
        return [[value - means[key] for value in values] for key, values in zip(keys, returns, strict=True)]
