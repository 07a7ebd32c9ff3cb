"""Division by a standard deviation: which one is meant, and what keeps it from being zero.

The libraries that a result may have to be compared with differ in both, so both are parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from sparring import Params


class DeviationParams(Params):
    """Which standard deviation divides."""

    divide_by_std: bool = Field(True, description="False: advantages stay in reward units.")
    deviation: Literal["population", "sample"] = Field(
        "population", description="Squares are summed and divided by n, or by n - 1."
    )
    eps: float = Field(0.0, ge=0, description="Keeps a small deviation from making large advantages; 0: nothing does.")
    eps_placement: Literal["std_plus", "variance_plus", "variance_floor", "floor_plus"] = Field(
        "std_plus",
        description="The divisor: std + eps, sqrt(variance + eps), sqrt(max(variance, eps)), or that last one + eps.",
    )


def divisor(variance: float, params: DeviationParams) -> float:
    """What gaps are divided by, given their variance."""
    eps = params.eps
    if params.eps_placement == "variance_plus":
        return math.sqrt(variance + eps)
    if params.eps_placement == "variance_floor":
        return math.sqrt(max(variance, eps))
    if params.eps_placement == "floor_plus":
        return math.sqrt(max(variance, eps)) + eps
    return math.sqrt(variance) + eps


def moments(values: Sequence[float], weights: Sequence[int], params: DeviationParams) -> tuple[float, float]:
    """Mean and variance of ``values``, each counted ``weights`` times. There must be two different ones."""
    count = sum(weights)
    mean = math.fsum(w * v for v, w in zip(values, weights, strict=True)) / count
    squares = math.fsum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True))
    return mean, squares / (count if params.deviation == "population" else count - 1)


def whiten(values: Sequence[float], weights: Sequence[int], params: DeviationParams) -> list[float]:
    """``(value - mean) / std``, each value counted ``weights`` times. All 0 if those that count are all equal."""
    counted = [v for v, w in zip(values, weights, strict=True) if w]
    if not counted or max(counted) == min(counted):
        return [0.0] * len(values)
    mean, variance = moments(values, weights, params)
    scale = divisor(variance, params) if params.divide_by_std else 1.0
    return [divided(value - mean, scale) for value in values]


def divided(gap: float, scale: float) -> float:
    """``gap / scale``; 0 if gaps are so small that their squares vanished."""
    return gap / scale if scale else 0.0
