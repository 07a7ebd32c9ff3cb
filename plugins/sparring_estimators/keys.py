"""Which trajectories are compared with each other: those whose named labels are equal."""

from __future__ import annotations

from collections.abc import Sequence

from sparring import SparringError, Trajectory, Turn

Key = tuple[str | int | float | bool, ...]


def key_of(trajectory: Trajectory, names: Sequence[str]) -> Key:
    """The labels ``names`` of a trajectory. Raises `SparringError` if it lacks one."""
    labels = trajectory.labels
    for name in names:
        if name not in labels:
            raise SparringError(
                f"the estimator's key names the label {name!r}, which turns of role {trajectory.role!r} in episode "
                f"{trajectory.episode} do not have (they have: {', '.join(labels)})"
            )
    return tuple(labels[name] for name in names)


def discounted(trajectory: Trajectory, gamma: float) -> list[float]:
    """Return-to-go of each turn, in reward units: ``G_k = Σ_{j≥k} γ^(j-k) r_j``."""
    returns: list[float] = []
    ahead = 0.0
    for turn in reversed(trajectory.turns):
        ahead = turn.reward + gamma * ahead
        returns.append(ahead)
    return returns[::-1]


def trained_tokens(turn: Turn) -> int:
    """How many of a turn's tokens are trained: those that were sampled."""
    return sum(len(span.tokens) for span in turn.spans if span.kind == "sampled")
