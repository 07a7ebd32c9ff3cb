"""`policy_gradient`, `truncated_importance`, `ppo_clip` and `magnetic`. All tensors are ``(M,)``: one value for each trained token."""

from __future__ import annotations

import torch

from sparring import NeedsReference
from sparring.batch import ObjectiveBatch
from sparring_objectives.params import KlParams, MagneticParams, PpoClipParams, TruncatedImportanceParams


def kl_term(logprobs: torch.Tensor, reference: torch.Tensor, estimator: str) -> torch.Tensor:
    """Estimated KL(policy || reference) at each token, in nats; Schulman 2020, "Approximating KL divergence".

    As a loss its gradient matters, not its value. On policy that of ``k2`` is unbiased for the reverse KL; that of ``k3``
    is the forward KL's. (``k1`` has a gradient of expectation zero, so it is not offered.)
    """
    d = reference - logprobs
    return 0.5 * d * d if estimator == "k2" else torch.exp(d) - d - 1


_NEEDS: dict[str, NeedsReference] = {
    "full": "reverse_kl",
    "full_forward": "forward_kl",
    "k2": "tokens",
    "k3": "tokens",
}


class PolicyGradient:
    """``L = -A log π``; Williams 1992. Its gradient is right only on policy: one optimizer step per batch."""

    def __init__(self, params: KlParams) -> None:
        self.params = params

    @property
    def needs_reference(self) -> NeedsReference:
        if not self.params.kl_coef:
            return "no"
        return _NEEDS[self.params.kl_estimator]

    def __call__(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        values, metrics = self.surrogate(batch)
        if self.params.kl_coef:
            kl = self._divergence(batch)
            values = values + self.params.kl_coef * kl
            metrics["kl"] = batch.mean_of(kl)
        return batch.reduce(values, self.params.normalize, self.params.constant or 1.0), metrics

    def _divergence(self, batch: ObjectiveBatch) -> torch.Tensor:
        if self.params.kl_estimator in ("full", "full_forward"):
            assert batch.divergence is not None
            return batch.divergence
        assert batch.reference is not None
        return kl_term(batch.logprobs, batch.reference, self.params.kl_estimator)

    def surrogate(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return -batch.advantages * batch.logprobs, {}


class TruncatedImportance(PolicyGradient):
    """``L = -sg(min(ρ, c)) A log π``, ``ρ = π/π_old`` and ``sg`` without gradient.

    Truncated importance sampling: Ionides 2008, "Truncated Importance Sampling"; by token and for actors that lag
    behind the learner it is the ρ of IMPALA's policy gradient (Espeholt et al. 2018, arXiv:1802.01561, section 4.2). A weight is
    never above c, so rare tokens cannot swell the variance; those above c are pulled less than is right, a small bias. On
    policy every weight is 1 and this is `PolicyGradient`.
    """

    params: TruncatedImportanceParams

    def __init__(self, params: TruncatedImportanceParams) -> None:
        super().__init__(params)

    def surrogate(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        ratio = torch.exp(batch.logprobs.detach() - batch.old_logprobs)
        weights = ratio.clamp(max=self.params.cap)
        metrics = {"clip_rate": batch.mean_of((ratio > weights).float()), "ratio_max": ratio.max()}
        return -weights * batch.advantages * batch.logprobs, metrics


class PpoClip(PolicyGradient):
    """``L = -min(ρ A, clip(ρ, 1-ε, 1+ε') A)``, ``ρ = π/π_old``; Schulman et al. 2017, arXiv:1707.06347, equation 7.

    With a dual clip c, ``min(L, -c A)`` where ``A < 0``; Ye et al. 2019, arXiv:1912.09729.
    """

    params: PpoClipParams

    def __init__(self, params: PpoClipParams) -> None:
        super().__init__(params)

    def surrogate(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        ratio = torch.exp(batch.logprobs - batch.old_logprobs)
        high = self.params.clip_eps if self.params.clip_eps_high is None else self.params.clip_eps_high
        clipped = ratio.clamp(1 - self.params.clip_eps, 1 + high)
        values = -torch.minimum(ratio * batch.advantages, clipped * batch.advantages)
        cut = (ratio * batch.advantages > clipped * batch.advantages).float()
        metrics = {"clip_rate": batch.mean_of(cut), "ratio_max": ratio.detach().max()}
        if self.params.dual_clip is not None:
            bound = -self.params.dual_clip * batch.advantages
            over = (batch.advantages < 0) & (values > bound)
            values = torch.where(over, bound, values)
            metrics["dual_clip_rate"] = batch.mean_of(over.float())
        return values, metrics


class Magnetic(PolicyGradient):
    """``L = -ρ A + α KL(π || μ) + (ρ log ρ - ρ + 1) / η``, ``ρ = π/π_old``; μ, the magnet, is the reference.

    Sokota et al. 2023 (magnetic mirror descent), arXiv:2206.05825, equation 4 with negative entropy as the mirror map:
    ``π' = argmax_π E_π[q] - α KL(π || μ) - KL(π || π_old) / η``. The last term is over tokens that π_old sampled, so that its
    expectation is that divergence, and its gradient's is the divergence's.
    """

    params: MagneticParams

    def __init__(self, params: MagneticParams) -> None:
        super().__init__(params)

    def surrogate(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        log_ratio = batch.logprobs - batch.old_logprobs
        ratio = torch.exp(log_ratio)
        proximal = ratio * log_ratio - ratio + 1
        values = self.params.proximal * proximal - ratio * batch.advantages
        return values, {"proximal_kl": batch.mean_of(proximal)}
