"""Group-relative advantages: each trajectory against the others of its group.

``A_i = (R_i - mean_g) / std_g``, Shao et al. 2024 (GRPO), arXiv:2402.03300, section 4.1.2; without the division it is
Dr. GRPO's (Liu et al. 2025, arXiv:2503.20783). The paper does not say which standard deviation it means: ours is the
population's, without an epsilon. Group by group TRL (``deviation: sample, eps: 1e-4``), verl (``sample, 1e-6``) and
OpenRLHF (``sample, 1e-9``) differ. A group whose returns are all equal gets zeros whatever divides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from sparring import Trajectory
from sparring_estimators.deviation import DeviationParams, divided, divisor, moments
from sparring_estimators.groups import GroupParams, gaps, groups_of


class GroupRelativeParams(DeviationParams, GroupParams):
    divide_by_std: bool = Field(True, description="False: Dr. GRPO, advantages in reward units.")
    std_over: Literal["group", "batch"] = Field(
        "group", description="Whose deviation divides: the group's, or that of all returns of the step."
    )


class GroupRelative:
    """Return minus the group's mean, divided by its standard deviation (GRPO)."""

    def __init__(self, params: GroupRelativeParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        totals = [trajectory.total for trajectory in trajectories]
        advantages = [0.0] * len(totals)
        for members in groups_of(trajectories, self.params.key):
            returns = [totals[i] for i in members]
            scale = self._scale(returns if self.params.std_over == "group" else totals, alone=len(members) == 1)
            for i, gap in zip(members, gaps(returns, self.params.singleton), strict=True):
                advantages[i] = divided(gap, scale)
        return [[a] * len(trajectory.turns) for a, trajectory in zip(advantages, trajectories, strict=True)]

    def _scale(self, returns: Sequence[float], *, alone: bool) -> float:
        if not self.params.divide_by_std or (not alone and max(returns) == min(returns)):
            return 1.0
        if alone:
            return divisor(1.0, self.params)
        return divisor(moments(returns, [1] * len(returns), self.params)[1], self.params)
