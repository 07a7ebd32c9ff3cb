"""Objectives over preference pairs: `dpo`, `spin`, `ipo`, `sppo`.

All compare a pair's log-ratios ``r(y) = Σ_t log π(y_t) - log π_ref(y_t)``, sums over the tokens of an answer, most by their
difference ``Δ = r(chosen) - r(rejected)``. Tensors are ``(P,)``: one value for each pair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch.nn.functional import logsigmoid

from sparring import NeedsReference
from sparring.batch import ObjectiveBatch
from sparring_objectives.preference_params import DpoParams, IpoParams, SpinParams, SppoParams


class PairObjective(ABC):
    """A mean over pairs of a loss of the two answers' log-ratios."""

    needs_reference: NeedsReference = "tokens"
    scale: float
    """The implicit reward of an answer is this times its log-ratio."""
    normalize: str = "sum"

    def __call__(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        assert batch.reference is not None
        ratios = batch.sums(batch.logprobs - batch.reference)
        if self.normalize == "mean":
            ratios = ratios / batch.lengths.clamp(min=1)
        chosen, rejected = ratios[0::2], ratios[1::2]
        loss = batch.mean_over_pairs(self.losses(chosen, rejected, batch))
        ours, theirs = self.scale * chosen.detach(), self.scale * rejected.detach()
        return loss, {
            "preference_accuracy": batch.mean_over_pairs((ours > theirs).float()),
            "chosen_reward": batch.mean_over_pairs(ours),
            "rejected_reward": batch.mean_over_pairs(theirs),
            "preference_margin": batch.mean_over_pairs(ours - theirs),
        }

    @abstractmethod
    def losses(self, chosen: torch.Tensor, rejected: torch.Tensor, batch: ObjectiveBatch) -> torch.Tensor:
        """Loss of each pair, from its answers' log-ratios."""


class Dpo(PairObjective):
    """``-(1-ε) log σ(βΔ) - ε log σ(-βΔ)``; Rafailov et al. 2023, arXiv:2305.18290, equation 7; Mitchell 2023 for ε."""

    def __init__(self, params: DpoParams) -> None:
        self.params, self.scale, self.normalize = params, params.beta, params.normalize

    def losses(self, chosen: torch.Tensor, rejected: torch.Tensor, batch: ObjectiveBatch) -> torch.Tensor:
        margin = self.params.beta * (chosen - rejected)
        flipped = self.params.label_smoothing
        return -(1 - flipped) * logsigmoid(margin) - flipped * logsigmoid(-margin)


class Spin(PairObjective):
    """``ℓ(λΔ)``; Chen et al. 2024, arXiv:2401.01335, section 4.

    What sets it apart from DPO is its pairs: the chosen answer is data, the rejected one the reference's own.
    """

    def __init__(self, params: SpinParams) -> None:
        self.params, self.scale = params, params.beta

    def losses(self, chosen: torch.Tensor, rejected: torch.Tensor, batch: ObjectiveBatch) -> torch.Tensor:
        margin = self.params.beta * (chosen - rejected)
        return -logsigmoid(margin) if self.params.loss == "logistic" else torch.relu(1 - margin)


class Ipo(PairObjective):
    """``(Δ - 1/2β)²``; Azar et al. 2023, arXiv:2310.12036, equation 17."""

    def __init__(self, params: IpoParams) -> None:
        self.params, self.scale, self.normalize = params, params.beta, params.normalize

    def losses(self, chosen: torch.Tensor, rejected: torch.Tensor, batch: ObjectiveBatch) -> torch.Tensor:
        return (chosen - rejected - 1 / (2 * self.params.beta)) ** 2


class Sppo(PairObjective):
    """``Σ_y (r(y) - η (P(y) - 1/2))²`` over the pair's answers; Wu et al. 2024, arXiv:2405.00675, equations 4.7 and 4.12.

    ``P(y)`` is the probability that the answer wins against what it was compared with.
    """

    def __init__(self, params: SppoParams) -> None:
        self.params, self.scale = params, 1 / params.eta

    def losses(self, chosen: torch.Tensor, rejected: torch.Tensor, batch: ObjectiveBatch) -> torch.Tensor:
        if self.params.hard_labels:
            chosen_win, rejected_win = torch.ones_like(chosen), torch.zeros_like(rejected)
        else:
            assert batch.chosen_win is not None
            assert batch.rejected_win is not None
            chosen_win, rejected_win = batch.chosen_win, batch.rejected_win
        eta = self.params.eta
        squares = (chosen - eta * (chosen_win - 0.5)) ** 2 + (rejected - eta * (rejected_win - 0.5)) ** 2
        return squares if self.params.form == "paper" else squares / 2
