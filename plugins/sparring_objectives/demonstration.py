"""`sft`: imitation. All tensors are ``(M,)``: one value for each trained token."""

from __future__ import annotations

import torch

from sparring import NeedsReference
from sparring.batch import ObjectiveBatch
from sparring_objectives.params import SftParams


class Sft:
    """``-log π`` of the demonstrated tokens."""

    needs_reference: NeedsReference = "no"

    def __init__(self, params: SftParams) -> None:
        self.params = params

    def __call__(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return batch.reduce(-batch.logprobs, self.params.normalize, self.params.constant or 1.0), {}
