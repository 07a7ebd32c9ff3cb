"""Shares of trained tokens instead of shares of episodes.

A game of long answers fills a batch, and its gradient, although it has no more episodes than the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from sparring import Episode
from sparring_curricula.changing import ChangingParams


class EqualTokensParams(ChangingParams):
    memory: float = Field(
        0.8,
        ge=0,
        lt=1,
        description="How much of an entry's mean length a further step leaves; 0: the last step alone (ours).",
    )
    most: float = Field(
        10.0,
        ge=1,
        description="How many times its own weight an entry may get, or lose, relative to the others (ours).",
    )


class EqualTokens:
    """The recipe's weights are shares of trained tokens: entries of short episodes are begun more often."""

    def __init__(self, params: EqualTokensParams) -> None:
        self.params = params
        self._tokens: dict[int, float] = {}  # trained tokens of an episode, by entry

    def weights(self, given: Sequence[float]) -> list[float]:
        known = [self._tokens[number] for number in range(len(given)) if number in self._tokens]
        usual = sum(known) / len(known) if known else 1.0
        factors = [usual / self._tokens.get(number, usual) for number in range(len(given))]
        return [
            weight * min(self.params.most, max(1 / self.params.most, factor))
            for weight, factor in zip(given, factors, strict=True)
        ]

    def step_ended(self, played: Sequence[Sequence[Episode]]) -> None:
        for number, episodes in enumerate(played):
            lengths = [
                sum(turn.tokens for turn in episode.turns if turn.trained) for episode in episodes if not episode.error
            ]
            if lengths and sum(lengths):
                mean = sum(lengths) / len(lengths)
                kept = self.params.memory if number in self._tokens else 0.0
                self._tokens[number] = kept * self._tokens.get(number, 0.0) + (1 - kept) * mean

    def state_dict(self) -> dict[str, Any]:
        return {"tokens": list(self._tokens.items())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._tokens = {int(number): float(tokens) for number, tokens in state["tokens"]}
