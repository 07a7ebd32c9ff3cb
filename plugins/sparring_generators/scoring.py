"""Log-probabilities of given tokens by the training forward, which every generator's own must agree with."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sparring import LoadedModel
from sparring.forward import autocast, token_logprobs
from sparring.prefix_tree import batches


@torch.no_grad()
def score(
    loaded: LoadedModel, rows: Sequence[tuple[Sequence[int], Sequence[int]]], token_budget: int
) -> list[list[float]]:
    """Of each token of each continuation at temperature 1, for (context, continuation) pairs, ``token_budget`` nodes at a time."""
    whole = [[*context, *continuation] for context, continuation in rows]
    where = [list(range(len(context), len(context) + len(continuation))) for context, continuation in rows]
    scores: list[list[float]] = [[] for _ in rows]
    for group in batches(whole, token_budget):
        with autocast(loaded):
            flat = token_logprobs(loaded.model, [whole[r] for r in group], [where[r] for r in group]).logprobs.tolist()
        at = 0
        for r in group:
            scores[r] = flat[at : at + len(where[r])]
            at += len(where[r])
    return scores
