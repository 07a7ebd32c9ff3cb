"""Drawing tokens from a model's distributions."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sparring import Sampling


def distributions(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """Log-probabilities ``(N, V)`` actually sampled from: temperature, then top-k, then top-p, renormalised.

    Temperature 0 puts all mass on the largest logit (the first of equals).
    """
    if all(s == samplings[0] and s.temperature == 1 and s.top_k == 0 and s.top_p == 1 for s in samplings):
        return torch.log_softmax(logits, -1)
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
        out[row] = torch.log_softmax(values, -1)
    return out
