"""Role-conditioned advantage estimation (RAE): a moving-average baseline for each game and role.

``b ← α b + (1-α) R`` with ``b = 0`` at first, and ``A_k = γ^(T-1-k) (R - b)`` for turn k of T, where R is the
trajectory's return. Source: Liu et al. 2025 (SPIRAL), arXiv:2506.24119, section 3. The paper updates the baseline and
then subtracts it; its repository (a02d0ed) subtracts the old one and then updates. For one update the former's advantages
are α times the latter's. The baseline counts trajectories, not turns, or long games would weigh more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from sparring import Params, Trajectory
from sparring_estimators.keys import key_of


class RoleConditionedParams(Params):
    key: list[str] = Field(
        ["game", "role"], description="Labels that have a baseline of their own for each combination."
    )
    decay: float = Field(
        0.95, ge=0, lt=1, description="Weight of the past in a baseline; 0.95 forgets half in about 14 trajectories."
    )
    initial: float = Field(0.0, description="A baseline before its first trajectory, in reward units.")
    order: Literal["update_then_subtract", "subtract_then_update"] = Field(
        "update_then_subtract", description="As in SPIRAL's paper, or as in its repository."
    )
    update: Literal["trajectory", "episode"] = Field(
        "trajectory",
        description="What a baseline is updated by: every trajectory, or the mean of an episode's trajectories with the same key "
        "(Vision-Zero's civilians).",
    )
    gamma: float = Field(1.0, gt=0, le=1, description="Discount for each turn between a turn and the trajectory's end.")


class RoleConditioned:
    """Return minus a moving average for each game and role (RAE)."""

    def __init__(self, params: RoleConditionedParams) -> None:
        self.params = params
        self.baselines: dict[tuple[str | int | float | bool, ...], float] = {}

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        advantages: list[list[float]] = [[] for _ in trajectories]
        for members in self._updates(trajectories):
            key = key_of(trajectories[members[0]], self.params.key)
            totals = [trajectories[number].total for number in members]
            before = self.baselines.get(key, self.params.initial)
            after = self.params.decay * before + (1 - self.params.decay) * sum(totals) / len(totals)
            self.baselines[key] = after
            for number, total in zip(members, totals, strict=True):
                gap = total - (after if self.params.order == "update_then_subtract" else before)
                last = len(trajectories[number].turns) - 1
                advantages[number] = [self.params.gamma ** (last - k) * gap for k in range(last + 1)]
        return advantages

    def _updates(self, trajectories: Sequence[Trajectory]) -> list[list[int]]:
        """Numbers of the trajectories that update a baseline together."""
        if self.params.update == "trajectory":
            return [[number] for number in range(len(trajectories))]
        found: dict[tuple[object, ...], list[int]] = {}
        for number, trajectory in enumerate(trajectories):
            found.setdefault((trajectory.episode, key_of(trajectory, self.params.key)), []).append(number)
        return list(found.values())

    def state_dict(self) -> dict[str, Any]:
        return {"baselines": {json.dumps(key): value for key, value in self.baselines.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.baselines = {tuple(json.loads(key)): float(value) for key, value in state["baselines"].items()}
