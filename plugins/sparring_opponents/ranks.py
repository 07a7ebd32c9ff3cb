"""Drawing by rank: what the methods of zero-shot coordination prefer some partners by."""

from __future__ import annotations

from collections.abc import Sequence


def dense_ranks(values: Sequence[float]) -> list[int]:
    """The rank of each value, the smallest 1; equal ones share a rank, and none is left out after them."""
    rank = {value: number for number, value in enumerate(sorted(set(values)), 1)}
    return [rank[value] for value in values]


def rank_shares(values: Sequence[float], exponent: float) -> list[float]:
    """Probabilities proportional to a power of each value's dense rank; the greatest value has the greatest share."""
    weights = [rank**exponent for rank in dense_ranks(values)]
    return [weight / sum(weights) for weight in weights]
