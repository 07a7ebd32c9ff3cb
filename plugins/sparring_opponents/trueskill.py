"""TrueSkill for two: a rating is a belief about skill, a normal with mean ``mu`` and deviation ``sigma``.

Herbrich, Minka and Graepel 2006, "TrueSkill: a Bayesian skill rating system", the closed form for one against one. What is shown in
a match scatters around the skill by ``beta``; skills drift by ``tau`` between matches; a draw is a difference within a margin
that makes equals draw with ``draw_probability``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Rating:
    mu: float
    sigma: float


def rated(
    winner: Rating, loser: Rating, beta: float, tau: float, draw_probability: float, *, drawn: bool = False
) -> tuple[Rating, Rating]:
    """The ratings after a match; ``drawn``: nobody has won it."""
    variances = winner.sigma**2 + tau**2, loser.sigma**2 + tau**2
    c = math.sqrt(2 * beta**2 + sum(variances))
    gap = (winner.mu - loser.mu) / c
    margin = _NORMAL.inv_cdf((draw_probability + 1) / 2) * math.sqrt(2) * beta / c
    shift, shrink = _drawn(gap, margin) if drawn else _won(gap - margin)

    def moved(rating: Rating, variance: float, sign: Literal[1, -1]) -> Rating:
        less = max(
            1 - variance / c**2 * shrink, 1e-9
        )  # after a result that was next to impossible rounding may leave none
        return Rating(rating.mu + sign * variance / c * shift, math.sqrt(variance * less))

    return moved(winner, variances[0], 1), moved(loser, variances[1], -1)


def quality(one: Rating, other: Rating, beta: float) -> float:
    """How likely a draw is, relative to equals whose skills are known: from 0 to 1."""
    squared = 2 * beta**2 + one.sigma**2 + other.sigma**2
    return math.sqrt(2 * beta**2 / squared) * math.exp(-((one.mu - other.mu) ** 2) / (2 * squared))


def _won(x: float) -> tuple[float, float]:
    """Mean of a standard normal above ``-x``, and how much of its variance is lost by the cut."""
    below = _NORMAL.cdf(x)
    # Far out the mean is at the cut itself.
    mean = _NORMAL.pdf(x) / below if below > 1e-300 else -x
    return mean, mean * (mean + x)


def _drawn(gap: float, margin: float) -> tuple[float, float]:
    """The same between ``-margin - gap`` and ``margin - gap``."""
    low, high = -margin - gap, margin - gap
    inside = _NORMAL.cdf(high) - _NORMAL.cdf(low)
    if inside < 1e-300:
        mean = high if gap > 0 else low
        return mean, 1.0
    mean = (_NORMAL.pdf(low) - _NORMAL.pdf(high)) / inside
    return mean, mean**2 + (high * _NORMAL.pdf(high) - low * _NORMAL.pdf(low)) / inside
