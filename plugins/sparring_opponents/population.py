"""Past versions drawn by a meta-strategy, one more whenever the policy has converged against it: HCSP's population.

`thu-uav/HCSP` at 4d40490 (arXiv:2505.04317), stage II: a policy is trained against one member at a time, drawn for each collect,
until its win rate stays high; then it becomes a member itself, and goes on from there. Few members, all of them finished, make a
small payoff table that means something. `sparring_opponents.members` has the rest.

The test, in its order: with fewer than ``window`` win rates no; before ``least_steps`` no; after ``most_steps`` yes; else yes if
the last ``window`` win rates have a mean of at least ``mean`` and a population deviation of at most ``deviation``. Games with
much chance may never pass it, and then ``most_steps`` is the clock.
"""

from __future__ import annotations

from statistics import fmean, pstdev
from typing import Literal

from pydantic import Field, model_validator

from sparring_opponents.members import Members, MembersParams
from sparring_opponents.members import Population as Known


class PopulationParams(MembersParams):
    size: int = Field(10, ge=2, description="Most members kept.")
    draw: Literal["episode", "collect"] = Field(
        "collect", description="Whether each episode's opponent is drawn, or one for all episodes of a step."
    )
    explore: float = Field(0.0, ge=0, le=1, description="Share of the draws that is even over all members (ours).")
    payoff: Literal["returns", "wins"] = Field(
        "wins", description="What a cell means: rewards a match, or 2 w - 1 with w the share of matches won."
    )
    window: int = Field(10, ge=1, description="Steps whose win rates are looked at.")
    mean: float = Field(0.9, ge=0, le=1, description="Their mean at which the policy has converged...")
    deviation: float = Field(0.02, ge=0, description="...if their population standard deviation is no larger.")
    least_steps: int = Field(50, ge=0, description="Steps since the newest member before which it has not.")
    most_steps: int = Field(5000, ge=1, description="Steps after which it has, whatever the win rates.")

    @model_validator(mode="after")
    def _least_before_most(self) -> PopulationParams:
        if self.least_steps > self.most_steps:
            raise ValueError(f"'least_steps' ({self.least_steps}) is more than 'most_steps' ({self.most_steps})")
        return self


class Population(Members):
    """Past versions of the policy, one more whenever it has converged against those there are (HCSP).

    For zero-sum games: a member wins what the other loses, by the rewards of the learning policy's roles. A match is won if
    they add up to more than 0, drawn (half a win) at 0.
    """

    params: PopulationParams

    def __init__(self, params: PopulationParams) -> None:
        super().__init__(params)

    def remembered(self) -> int:
        return self.params.window

    def most_members(self, policy: str, steps: int) -> int:
        if not self._populated(policy):
            return 0
        return min(self.params.size, 1 + steps // max(self.params.window, self.params.least_steps))

    def due(self, population: Known, version: int) -> bool:
        p, rates = self.params, population.win_rates
        if len(rates) < p.window or population.steps < p.least_steps:
            return False
        if population.steps > p.most_steps:
            return True
        return fmean(rates) >= p.mean and pstdev(rates) <= p.deviation
