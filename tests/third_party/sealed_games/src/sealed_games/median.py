"""The return minus the median return of the step: a baseline that a few extreme returns do not move."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from pydantic import Field
from sparring import Params, Trajectory


class MedianParams(Params):
    key: list[str] = Field(["game", "role"], description="Labels that have a median of their own for each combination.")


class Median:
    """The return minus the median return of the step, for each role of each game."""

    def __init__(self, params: MedianParams) -> None:
        self.params = params

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        keys = [tuple(trajectory.labels[name] for name in self.params.key) for trajectory in trajectories]
        returns: dict[tuple[object, ...], list[float]] = defaultdict(list)
        for key, trajectory in zip(keys, trajectories, strict=True):
            returns[key].append(trajectory.total)
        medians = {key: statistics.median(values) for key, values in returns.items()}
        pairs = zip(keys, trajectories, strict=True)
        return [[trajectory.total - medians[key]] * len(trajectory.turns) for key, trajectory in pairs]
