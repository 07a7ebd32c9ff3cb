"""The opponent is the geometric mixture of the policy as it is now and a past version of it.

``π_mix(token) ∝ π(token)^(1-β) μ(token)^β`` at every token, where μ is the past version: the opponent of Nash-MD (Munos et al.
2023, arXiv:2312.00886). The paper mixes whole answers; mixing each token's distribution is its practical form, and the same
where an answer is one token. At β = 0 that is self-play, at β = 1 the past version alone; in between, the opponent follows the
policy but is held back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from sparring_opponents.delayed import Delayed, DelayedParams

if TYPE_CHECKING:
    from sparring import LoadedModel


class GeometricMixtureParams(DelayedParams):
    weight: float = Field(
        0.125,
        ge=0,
        le=1,
        description="Of the past version in the mixture (beta): 0 is the policy itself, 1 the past version.",
    )
    every: int | None = Field(
        None,
        ge=1,
        description="Steps after which the past version becomes the policy as it then is; None: never. Equal to the policy's "
        "reference_refresh, it is the same version as its reference.",
    )


class GeometricMixture(Delayed):
    """The policy as it is now mixed with a past version of it, by log-probabilities (Nash-MD).

    One copy of the weights is kept, and both models run for every token of the opponent. It is not trained.
    """

    def __init__(self, params: GeometricMixtureParams) -> None:
        super().__init__(params)
        self.weight = params.weight

    def blend(self, past: LoadedModel, present: LoadedModel) -> LoadedModel:
        from sparring_opponents.mixture_model import mixture

        return mixture(past, present, self.weight)
