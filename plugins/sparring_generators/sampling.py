"""Drawing tokens from a model's distributions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from sparring import Sampling

# Tokens are drawn in two steps, a run of them and then one of these, so that only the sums of runs are added up in double precision.
RUN = 256


def distributions(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """Log-probabilities ``(N, V)`` actually sampled from, one setting for each row."""
    return torch.log_softmax(limited(logits, samplings), -1)


def limited(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """Logits ``(N, V)`` after temperature, then top-k, then top-p; -inf for what is not drawn.

    Temperature 0 leaves the largest logit alone (the first of equals).
    """
    same = all(s == samplings[0] for s in samplings)
    if same and samplings[0].top_k == 0 and samplings[0].top_p == 1 and samplings[0].temperature > 0:
        return logits if samplings[0].temperature == 1 else logits / samplings[0].temperature
    out = torch.empty_like(logits)
    for row, sampling in enumerate(samplings):
        values = logits[row]
        if sampling.temperature == 0:
            out[row] = float("-inf")
            out[row, values.argmax()] = 0.0
            continue
        values = values / sampling.temperature
        if 0 < sampling.top_k < len(values):
            values = values.masked_fill(values < values.topk(sampling.top_k).values[-1], float("-inf"))
        if sampling.top_p < 1:
            ordered, index = values.softmax(-1).sort(descending=True, stable=True)
            # Keep the smallest set that reaches top_p: a token stays if the mass before it is still under top_p.
            values = values.index_fill(0, index[ordered.cumsum(0) - ordered >= sampling.top_p], float("-inf"))
        out[row] = values
    return out


def draw(logits: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens ``(N, W)`` and their log-probabilities, by inverting each row's cumulative distribution.

    ``logits`` are ``(N, V)``; ``noise`` ``(N, W)`` in double precision is in [0, 1). No token of probability zero is drawn.
    """
    largest = logits.amax(-1, keepdim=True)
    weights = (logits - largest).exp_()
    weights = functional.pad(weights, (0, -weights.shape[-1] % RUN)).view(len(logits), -1, RUN)
    sums = weights.sum(-1).double()
    upto = sums.cumsum(-1)
    aim = noise.to(logits.device) * upto[:, -1:]
    runs = torch.searchsorted(upto, aim, right=True).clamp_(max=upto.shape[-1] - 1)
    left = (aim - (upto - sums).gather(1, runs)) / sums.gather(1, runs)
    within = weights[torch.arange(len(logits), device=logits.device)[:, None], runs].double().cumsum(-1)
    # Below 1 whatever was rounded on the way, so that the draw stays within its run.
    left = left.clamp_(0.0, 1 - 2**-50)[..., None] * within[..., -1:]
    # Of logits that are no numbers the last token is taken, and its log-probability is none: whoever asked will see that.
    tokens = (runs * RUN + torch.searchsorted(within, left, right=True)[..., 0]).clamp_(max=logits.shape[-1] - 1)
    return tokens, logits.gather(1, tokens) - largest - upto[:, -1:].log().to(logits.dtype)
