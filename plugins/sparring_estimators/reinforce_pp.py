"""REINFORCE++: advantages whitened over the whole batch, Hu et al. 2025, arXiv:2501.03262.

``reinforce_pp`` whitens returns-to-go; ``reinforce_pp_baseline`` first takes each trajectory's group mean away, so that groups
that are easy or hard do not show, and then whitens. Whitening counts a turn once for each of its trained tokens, as
the batch that is trained on does; so a group whose returns are all equal, at 0 before, need not be at 0 after it. Rewards
are the judges' alone: a KL penalty is a term of the objective here, and discounts are per turn.

OpenRLHF takes the population's deviation over a floored variance, which is the default; verl the sample's, with the epsilon
under the root (``deviation: sample, eps_placement: variance_plus``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from sparring import Trajectory
from sparring_estimators.deviation import DeviationParams, whiten
from sparring_estimators.groups import GroupParams, gaps, groups_of
from sparring_estimators.keys import discounted, trained_tokens


class WhiteningParams(DeviationParams):
    """How advantages of a batch are whitened."""

    divide_by_std: bool = Field(True, description="False: only the mean is taken away.")
    eps: float = Field(1e-8, ge=0, description="Keeps a small deviation from making large advantages; 0: nothing does.")
    eps_placement: Literal["std_plus", "variance_plus", "variance_floor", "floor_plus"] = Field(
        "variance_floor",
        description="The divisor: std + eps, sqrt(variance + eps), sqrt(max(variance, eps)), or that last one + eps.",
    )
    count: Literal["tokens", "turns"] = Field(
        "tokens", description="What a turn counts for in mean and deviation: its trained tokens, or one."
    )


class ReinforcePPParams(WhiteningParams):
    key: list[str] = Field(
        [],
        description="Labels whose equality makes a batch to whiten; [] takes the whole step. [role] keeps the roles of a "
        "game apart whose returns otherwise cancel.",
    )
    gamma: float = Field(1.0, gt=0, le=1, description="Discount of rewards for each turn that they are ahead.")


class ReinforcePP:
    """Return-to-go, whitened over the batch (REINFORCE++)."""

    def __init__(self, params: ReinforcePPParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        values = [discounted(trajectory, self.params.gamma) for trajectory in trajectories]
        return whitened(trajectories, values, self.params.key, self.params)


class ReinforcePPBaselineParams(WhiteningParams, GroupParams):
    whiten_key: list[str] = Field(
        [], description="Labels whose equality makes a batch to whiten; [] takes the whole step."
    )


class ReinforcePPBaseline:
    """Return minus the group's mean, whitened over the batch (REINFORCE++ with baseline)."""

    def __init__(self, params: ReinforcePPBaselineParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        values: list[list[float]] = [[] for _ in trajectories]
        for members in groups_of(trajectories, self.params.key):
            found = gaps([trajectories[i].total for i in members], self.params.singleton)
            for i, gap in zip(members, found, strict=True):
                values[i] = [gap] * len(trajectories[i].turns)
        return whitened(trajectories, values, self.params.whiten_key, self.params)


def whitened(
    trajectories: Sequence[Trajectory], values: Sequence[Sequence[float]], key: Sequence[str], params: WhiteningParams
) -> list[list[float]]:
    """``values``, one for each turn of each trajectory, whitened within each batch that ``key`` makes."""
    out: list[list[float]] = [[] for _ in trajectories]
    for members in groups_of(trajectories, key):
        turns = [turn for i in members for turn in trajectories[i].turns]
        weights = [trained_tokens(turn) if params.count == "tokens" else 1 for turn in turns]
        flat = iter(whiten([v for i in members for v in values[i]], weights, params))
        for i in members:
            out[i] = [next(flat) for _ in values[i]]
    return out
