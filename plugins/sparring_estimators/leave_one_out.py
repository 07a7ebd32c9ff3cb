"""Leave-one-out advantages (RLOO): each trajectory against the mean of the others of its group.

``A_i = R_i - mean_{j≠i} R_j``; Kool et al. 2019 and Ahmadian et al. 2024, arXiv:2402.14740. It is n/(n-1) times
`group_relative` without division. The paper and TRL put a KL penalty into the reward; here it is a term of the objective.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparring import Trajectory
from sparring_estimators.groups import GroupParams, gaps, groups_of


class LeaveOneOutParams(GroupParams):
    pass


class LeaveOneOut:
    """Return minus the mean return of the others of its group (RLOO)."""

    def __init__(self, params: LeaveOneOutParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        advantages = [0.0] * len(trajectories)
        for members in groups_of(trajectories, self.params.key):
            returns = [trajectories[i].total for i in members]
            count = len(returns)
            more = count / (count - 1) if count > 1 else 1.0
            for i, gap in zip(members, gaps(returns, self.params.singleton), strict=True):
                advantages[i] = gap * more
        return [[a] * len(trajectory.turns) for a, trajectory in zip(advantages, trajectories, strict=True)]
