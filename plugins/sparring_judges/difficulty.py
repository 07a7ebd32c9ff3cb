"""The judge `difficulty`: what a proposer earns for a task of which a share was solved.

Each shaper is a function of the solve rate p in [0, 1], known or voted: the card of formulas is the parameter `shaper`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from sparring import Params, SparringError, Verdict

Shaper = Literal[
    "tent", "min_tent", "one_minus_gated", "one_minus", "binary_band", "gauss", "gauss_variance", "parabola"
]


def tent(p: float) -> float:
    """``1 - 2|p - ½|``: R-Zero's paper (Huang et al. 2025, arXiv:2508.05004)."""
    return 1 - 2 * abs(p - 0.5)


def min_tent(p: float) -> float:
    """``min(p, 1-p)``, half of `tent`: R-Zero's repository (5699329)."""
    return min(p, 1 - p)


def one_minus_gated(p: float) -> float:
    """``1 - p``, but 0 where nobody solved it: Absolute Zero (Zhao et al. 2025, arXiv:2505.03335)."""
    return 1 - p if p > 0 else 0.0


def one_minus(p: float) -> float:
    """``1 - p``: Search Self-Play (arXiv:2510.18821)."""
    return 1 - p


def binary_band(p: float, low: float = 0.0, high: float = 1.0) -> float:
    """1 strictly between ``low`` and ``high``: SQLM (arXiv:2508.03682)."""
    return float(low < p < high)


def gauss(p: float, sigma: float = 1 / 6) -> float:
    """``exp(-(p-½)²/2σ²)``, 0 at both ends: SPELL (arXiv:2509.23863)."""
    return math.exp(-((p - 0.5) ** 2) / (2 * sigma**2)) if 0 < p < 1 else 0.0


def gauss_variance(p: float, sigma: float = 0.1) -> float:
    """``exp(-(p(1-p)-¼)²/2σ²)``: SPICE (arXiv:2510.24684)."""
    return math.exp(-((p * (1 - p) - 0.25) ** 2) / (2 * sigma**2))


def parabola(p: float) -> float:
    """``4p(1-p)``: an option of Search Self-Play."""
    return 4 * p * (1 - p)


class DifficultyParams(Params):
    shaper: Shaper = Field(
        "tent",
        description="Of the solve rate p. tent: 1 - 2|p - 0.5| (R-Zero's paper); min_tent: min(p, 1-p) (its repository); "
        "one_minus_gated: 1-p, 0 at p = 0 (Absolute Zero); one_minus: 1-p; binary_band: 1 strictly between low and high; "
        "gauss: exp(-(p-0.5)²/2σ²), 0 at both ends (SPELL); gauss_variance: exp(-(p(1-p)-0.25)²/2σ²) (SPICE); parabola: 4p(1-p).",
    )
    scale: float = Field(1.0, gt=0, description="Multiplies what the shaper gives.")
    nothing: float = Field(
        0.0,
        description="In place of a shaped value of 0 (Absolute Zero: -0.5, for tasks that none or all attempts solve).",
    )
    low: float = Field(0.0, ge=0, le=1, description="Lower end of binary_band.")
    high: float = Field(1.0, ge=0, le=1, description="Upper end of binary_band.")
    sigma: float | None = Field(None, gt=0, description="Width of the gauss shapers; None: 1/6 and 0.1.")

    @model_validator(mode="after")
    def _nothing_is_idle(self) -> DifficultyParams:
        if self.shaper != "binary_band" and (self.low, self.high) != (0.0, 1.0):
            raise ValueError(f"'low' and 'high' belong to binary_band; the shaper is {self.shaper}")
        if self.sigma is not None and not self.shaper.startswith("gauss"):
            raise ValueError(f"'sigma' belongs to gauss and gauss_variance; the shaper is {self.shaper}")
        return self


class Difficulty:
    """The proposer's reward: a shape of the share of attempts that solved its task."""

    def __init__(self, params: DifficultyParams) -> None:
        self.params = params
        plain: dict[str, Callable[[float], float]] = {
            "tent": tent, "min_tent": min_tent, "one_minus_gated": one_minus_gated, "one_minus": one_minus,
            "parabola": parabola, "binary_band": lambda p: binary_band(p, params.low, params.high),
            "gauss": lambda p: gauss(p, params.sigma or 1 / 6),
            "gauss_variance": lambda p: gauss_variance(p, params.sigma or 0.1),
        }  # fmt: skip
        self._shape = plain[params.shaper]

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``rate``, a solve rate in [0, 1]. A verdict has one value."""
        return [Verdict((self._value(float(item["rate"])),)) for item in items]

    def _value(self, rate: float) -> float:
        if not 0 <= rate <= 1:
            raise SparringError(f"difficulty: a solve rate is between 0 and 1; got {rate}")
        return self.params.scale * self._shape(rate) or self.params.nothing
