"""Two models as one whose logits are a weighted mean of theirs: its distribution is their geometric mixture.

A state of it is a state of the one beside a state of the other, and its layers are theirs one after another, so whatever runs
a model through `sparring.forward` runs it, keys and values of past tokens included. It trains nothing.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from sparring import LoadedModel
from sparring.forward import AttentionPlan, head

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def mixture(past: LoadedModel, present: LoadedModel, weight: float) -> LoadedModel:
    """``softmax(weight · past + (1 - weight) · present)`` of two models of one architecture. Both are kept by reference."""
    model = cast("PreTrainedModel", _Mixture(past.model, present.model, weight))
    return LoadedModel(model, present.tokenizer, present.bf16, present.adapted)


@dataclass(frozen=True, slots=True)
class _Above:
    """A plan as the second model sees it: its layers come after the first one's."""

    plan: AttentionPlan
    layers: int

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        return self.plan.attend(layer + self.layers, query, key, value, scale)


class _Mixture(nn.Module):
    """As much of a causal language model as `sparring.forward` and generators use."""

    def __init__(self, past: PreTrainedModel, present: PreTrainedModel, weight: float) -> None:
        super().__init__()
        self.past, self.present, self.weight = past, present, weight
        self.config = copy.deepcopy(present.config)
        text = self.config.get_text_config()
        self._layers = int(text.num_hidden_layers)
        text.num_hidden_layers = 2 * self._layers
        if getattr(self.config, "logits_scaling", None):
            self.config.logits_scaling = None  # each model's own head has scaled already

    @property
    def device(self) -> torch.device:
        return self.present.device

    @property
    def dtype(self) -> torch.dtype:
        return self.present.dtype

    def base_model(self, *, plan: AttentionPlan, **inputs: Any) -> SimpleNamespace:
        """Hidden states ``(1, T, 2 hidden)``, those of the past model first."""
        states = [
            self.past.base_model(plan=plan, **inputs).last_hidden_state,
            self.present.base_model(plan=_Above(plan, self._layers), **inputs).last_hidden_state,
        ]
        return SimpleNamespace(last_hidden_state=torch.cat(states, -1))

    def get_output_embeddings(self) -> _Mixture:
        return self

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, vocabulary)`` of states ``(N, 2 hidden)``."""
        past, present = states.chunk(2, -1)
        return self.weight * head(self.past, past) + (1 - self.weight) * head(self.present, present)
