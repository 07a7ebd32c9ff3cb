"""What an objective is given: the trained tokens of a micro-batch, flat, and how to make one number of them.

A loss is normalised by the counts of its whole optimizer step (`Totals`), so how that is cut into micro-batches changes
nothing but rounding.

Legend: M trained tokens, S sequences, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from sparring.forward import Scored
from sparring.records import PolicyGradientRecord, PreferenceRecord, Record

Normalize = Literal["token_mean", "sequence_mean", "token_sum", "constant"]


@dataclass(frozen=True, slots=True)
class Totals:
    """What an optimizer step trains on as a whole, weights included. Rows dropped for zero advantage still count.

    ``sequences`` are trained turns of policy-gradient records, pairs of preference records, rows of demonstrations.
    """

    tokens: float
    sequences: float

    def share(self, part: float) -> Totals:
        return Totals(self.tokens * part, self.sequences * part)


def totals(records: Sequence[Record]) -> Totals:
    """The counts of ``records``."""
    tokens = sum(r.weight * sum(len(positions) for _, positions in r.rows) for r in records)
    return Totals(tokens, sum(r.weight * (r.turn_count if isinstance(r, PolicyGradientRecord) else 1) for r in records))


@dataclass(slots=True)
class ObjectiveBatch:
    """Trained tokens of a micro-batch. Tensors are ``(M,)`` unless said otherwise.

    ``logprobs`` and ``divergence`` carry the gradient; ``old_logprobs`` are the sampling policy's, ``reference`` the
    reference's. ``divergence`` is the whole KL divergence to the reference where each token was sampled. The last two are
    None unless the objective needs them. ``sequence`` numbers the sequences of the batch from 0; ``weights`` are the
    records'.

    A sequence is a trained turn of a policy-gradient record or a row of a demonstration; a preference pair is two, the
    chosen answer at 2p and the rejected one at 2p + 1. Only pairs have ``chosen_win`` and ``rejected_win``, the
    probabilities that each wins against what it was compared with, and ``margin``, how much better the first one scored:
    all ``(P,)``. Only policy-gradient records have advantages and old log-probabilities; others have zeros.
    """

    logprobs: torch.Tensor
    old_logprobs: torch.Tensor
    reference: torch.Tensor | None
    divergence: torch.Tensor | None
    advantages: torch.Tensor
    weights: torch.Tensor
    sequence: torch.Tensor
    sequences: int
    totals: Totals
    chosen_win: torch.Tensor | None = None
    rejected_win: torch.Tensor | None = None
    margin: torch.Tensor | None = None
    pair_weights: torch.Tensor | None = None

    def reduce(self, values: torch.Tensor, how: Normalize, constant: float = 1.0) -> torch.Tensor:
        """This batch's share of the mean of per-token ``values`` ``(M,)``.

        ``token_mean``: over all trained tokens. ``sequence_mean``: over sequences, of the mean over each one's tokens.
        ``token_sum``: over sequences, of the sum over each one's tokens. ``constant``: the same divided by ``constant``.
        """
        weighted = values * self.weights
        if how == "token_mean":
            return weighted.sum() / self.totals.tokens
        if how == "sequence_mean":
            return (weighted / self.lengths[self.sequence]).sum() / self.totals.sequences
        total = weighted.sum() / self.totals.sequences
        return total / constant if how == "constant" else total

    def mean_of(self, values: torch.Tensor) -> torch.Tensor:
        """The share of a plain mean over trained tokens, for metrics."""
        return (values.detach() * self.weights).sum() / self.totals.tokens

    @property
    def lengths(self) -> torch.Tensor:
        """Trained tokens of each sequence, ``(S,)``."""
        return torch.bincount(self.sequence, minlength=self.sequences).to(self.logprobs.dtype)

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of per-token ``values`` ``(M,)`` over each sequence, ``(S,)``."""
        return values.new_zeros(self.sequences).index_add(0, self.sequence, values)

    def mean_over_pairs(self, values: torch.Tensor) -> torch.Tensor:
        """This batch's share of the mean of ``values`` ``(P,)`` over all pairs."""
        if self.pair_weights is None:
            raise TypeError("mean_over_pairs is for preference records; these are of another kind")
        return (values * self.pair_weights).sum() / self.totals.sequences


def objective_batch(
    records: Sequence[Record],
    old: Sequence[Sequence[float]],
    reference: Sequence[Sequence[float]] | None,
    scored: Scored,
    totals: Totals,
    device: torch.device,
) -> ObjectiveBatch:
    """The batch of ``records`` of one kind. ``old`` and ``reference`` are by row, as `Record.rows` gives them."""

    def flat(values: Sequence[Sequence[float]]) -> torch.Tensor:
        return torch.tensor([v for row in values for v in row], dtype=torch.float32, device=device)

    sequence: list[int] = []
    advantages: list[Sequence[float]] = []
    count = 0
    for record in records:
        if isinstance(record, PolicyGradientRecord):
            sequence += [count + turn for turn in record.turns]
            advantages.append(record.advantages)
            count += record.turn_count
        else:
            for _, positions in record.rows:
                sequence += [count] * len(positions)
                advantages.append([0.0] * len(positions))
                count += 1
    pairs = [record for record in records if isinstance(record, PreferenceRecord)]
    return ObjectiveBatch(
        logprobs=scored.logprobs,
        divergence=scored.divergence,
        old_logprobs=flat(old),
        reference=None if reference is None else flat(reference),
        advantages=flat(advantages),
        weights=flat([[r.weight] * len(positions) for r in records for _, positions in r.rows]),
        sequence=torch.tensor(sequence, device=device),
        sequences=count,
        totals=totals,
        chosen_win=flat([[pair.chosen_win for pair in pairs]]) if pairs else None,
        rejected_win=flat([[pair.rejected_win for pair in pairs]]) if pairs else None,
        margin=flat([[pair.margin for pair in pairs]]) if pairs else None,
        pair_weights=flat([[pair.weight for pair in pairs]]) if pairs else None,
    )
