"""More of what is being learned, less of what is decided: a self-evolving curriculum (Chen et al. 2025, arXiv:2505.14970).

Entries are the arms of a bandit that changes over time. What an arm pays is the mean absolute advantage of its turns, since a turn
with advantage zero moves nothing; its value follows by ``Q <- rate * paid + (1 - rate) * Q``, and the next step's shares are
``softmax(Q / temperature)``. The paper's arms are kinds and difficulties of problems under advantages of one scale, GRPO's. Games
pay in chips, points or wins, so here an arm's advantages may be measured against the size of its returns first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from sparring import Episode
from sparring_curricula.changing import ChangingParams


class LearningGainParams(ChangingParams):
    rate: float = Field(0.5, gt=0, le=1, description="How much of an entry's value is its last step's (ours).")
    temperature: float = Field(
        0.5, gt=0, description="Of the softmax over values; lower: nearly everything to the highest (ours)."
    )
    floor: float = Field(
        0.1, gt=0, le=1, description="Least share of an entry, as a part of its share by the recipe's weights (ours)."
    )
    relative: bool = Field(
        True,
        description="Divide an entry's advantages by the root mean square of its returns, so that games of other stakes compare (ours).",
    )


class LearningGain:
    """Entries whose advantages are large are begun more often: those where something is still to be learned (SEC)."""

    def __init__(self, params: LearningGainParams) -> None:
        self.params = params
        self._values: dict[int, float] = {}  # by entry; none until it has been played

    def weights(self, given: Sequence[float]) -> list[float]:
        if not self._values:
            return list(given)
        # What has not been played yet is taken to be as good as the best.
        best = max(self._values.values())
        values = [self._values.get(number, best) for number in range(len(given))]
        pulls = [
            weight * math.exp((v - best) / self.params.temperature) for weight, v in zip(given, values, strict=True)
        ]
        everything, pulled = sum(given), sum(pulls)
        floor = self.params.floor
        return [
            floor * weight / everything + (1 - floor) * pull / pulled for weight, pull in zip(given, pulls, strict=True)
        ]

    def step_ended(self, played: Sequence[Sequence[Episode]]) -> None:
        for number, episodes in enumerate(played):
            trajectories = [
                trajectory for episode in episodes if not episode.error for trajectory in episode.trajectories()
            ]
            sizes = [abs(turn.advantage) for trajectory in trajectories for turn in trajectory.turns]
            if not sizes:
                continue
            scale = (
                math.sqrt(sum(t.total**2 for t in trajectories) / len(trajectories)) if self.params.relative else 1.0
            )
            paid = sum(sizes) / len(sizes) / scale if scale else 0.0
            rate = self.params.rate if number in self._values else 1.0
            self._values[number] = rate * paid + (1 - rate) * self._values.get(number, 0.0)

    def state_dict(self) -> dict[str, Any]:
        return {"values": list(self._values.items())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._values = {int(number): float(value) for number, value in state["values"]}
