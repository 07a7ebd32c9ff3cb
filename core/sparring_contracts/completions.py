"""What a generator sampled, looked at before anything is learned from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sparring.errors import GenerationError, NumericsError

if TYPE_CHECKING:
    from sparring.interfaces import Completion, Sampling


def require_whole(completion: Completion, sampling: Sampling, whose: str) -> None:
    """Raises `GenerationError` for a completion that is none, and `NumericsError` for one that was drawn from no distribution.

    ``whose`` begins the sentence: which turn, or which question.
    """
    tokens, logprobs = len(completion.tokens), len(completion.logprobs)
    if not 0 < tokens == logprobs <= sampling.max_tokens:
        raise GenerationError(
            f"{whose}: the generator gave {tokens} tokens with {logprobs} log-probabilities, and was asked for 1 to "
            f"{sampling.max_tokens}; this is a fault of the generator"
        )
    if not math.isfinite(sum(completion.logprobs)):
        bad = next(i for i, value in enumerate(completion.logprobs) if not math.isfinite(value))
        raise NumericsError(
            f"{whose}: the log-probability of sampled token {bad} is {completion.logprobs[bad]}, so the weights it was sampled "
            "with are not finite, or overflow. A smaller train.learning_rate or train.max_grad_norm is the usual cure; "
            "`--resume` goes on from the last checkpoint"
        )
