"""The return itself as the advantage, without a baseline: Williams 1992. The control that shows what a baseline does."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from sparring import Params, Trajectory
from sparring_estimators.keys import discounted


class PlainParams(Params):
    gamma: float = Field(1.0, gt=0, le=1, description="Discount of rewards for each turn that they are ahead.")


class Plain:
    """The discounted return, without a baseline."""

    def __init__(self, params: PlainParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        return [discounted(trajectory, self.params.gamma) for trajectory in trajectories]
