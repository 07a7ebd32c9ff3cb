"""Running a causal language model over a prefix forest instead of a padded batch.

The model is used as it comes: only its attention function is replaced by one that knows ancestors. Everything else
in a decoder works token by token, so one packed row of nodes without padding gives the same numbers. `check_forward`
proves that for a model before it is trusted, since an architecture may do something in attention that is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sparring.errors import ModelError
from sparring.prefix_tree import PrefixForest, build_forest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sparring.interfaces import LoadedModel

ATTENTION = "sparring_forest"
# Nodes that attend together. More are fewer calls, but of what a block computes within itself most is masked.
BLOCK = 128


class AttentionPlan(Protocol):
    """Who attends to whom in one call of the model."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        """What packed tokens get in a layer: query ``(H, T, D)``, key and value ``(K, T, D)`` to ``(H, T, D)``."""
        ...


@dataclass(frozen=True, slots=True)
class ForestPlan:
    """Nodes see their ancestors, block by block: each block's path before it is gathered, and its mask says the rest."""

    blocks: Sequence[tuple[slice, torch.Tensor, torch.Tensor | None]]  # nodes, path before them (P,), mask (T, P + T)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        gqa = query.shape[0] != key.shape[0]
        parts = []
        for own, before, mask in self.blocks:
            k, v = (x[:, own] if mask is None else torch.cat([x[:, before], x[:, own]], 1) for x in (key, value))
            parts.append(
                functional.scaled_dot_product_attention(
                    query[None, :, own],
                    k[None],
                    v[None],
                    attn_mask=mask,
                    is_causal=mask is None,
                    scale=scale,
                    enable_gqa=gqa,
                )
            )
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=2))[0]


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    plan: AttentionPlan | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query ``(1, H, T, D)``, key and value ``(1, K, T, D)``; returns ``(1, T, H, D)``."""
    if plan is None:
        raise ModelError(f"attention {ATTENTION!r} was called without a plan; call the model through sparring.forward")
    layer: int = module.layer_idx  # type: ignore[assignment]
    # In mixed precision the rotation by position leaves queries and keys in fp32; values are as the products made them.
    query, key = query.to(value.dtype), key.to(value.dtype)
    return plan.attend(layer, query[0], key[0], value[0], scaling).transpose(0, 1)[None], None


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(ATTENTION, _attend)
    AttentionMaskInterface.register(ATTENTION, lambda *args, **kwargs: None)


def attend_by_plan(model: PreTrainedModel) -> None:
    """From here on the model attends by plan, and is called through this module alone."""
    _register()
    model.set_attn_implementation(ATTENTION)


@contextmanager
def forest_attention(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model attends by plan; outside it is the model it was."""
    before = model.config._attn_implementation
    if before == ATTENTION:
        yield
        return
    attend_by_plan(model)
    try:
        yield
    finally:
        model.set_attn_implementation(before or "sdpa")


def autocast(loaded: LoadedModel) -> torch.autocast:
    """bfloat16 matrix products if the policy asks for them."""
    return torch.autocast(loaded.model.device.type, dtype=torch.bfloat16, enabled=loaded.bf16)


@contextmanager
def recomputed(model: PreTrainedModel) -> Iterator[None]:
    """Within, layers keep nothing but their inputs for the backward pass, which runs them again (Chen et al. 2016, arXiv:1604.06174).

    The model has to attend by plan for good, since that is when layers run again. Raises `ModelError` if they cannot.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[Any] = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(f"{type(model).__name__} cannot run layers again: set train.activation_checkpointing to false")
    for layer in layers:
        # Of the layer alone: what is within it, such as dropout, stays as in evaluation.
        layer.gradient_checkpointing, layer.training = True, True
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    try:
        yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing, layer.training = False, False


def plan_for(forest: PrefixForest, device: torch.device, block: int = BLOCK) -> ForestPlan:
    return ForestPlan(
        [
            (
                slice(found.start, found.end),
                torch.tensor(found.before, device=device, dtype=torch.long),
                None if found.mask is None else found.mask.to(device),
            )
            for found in forest.blocks(block)
        ]
    )


def hidden_states(
    model: PreTrainedModel, tokens: Sequence[int], positions: Sequence[int], plan: AttentionPlan
) -> torch.Tensor:
    """Last hidden states ``(T, hidden)`` of packed nodes."""
    device = model.device
    with forest_attention(model):
        out = model.base_model(
            input_ids=torch.tensor([tokens], device=device),
            position_ids=torch.tensor([positions], device=device),
            use_cache=False,
            plan=plan,
        )
    states: torch.Tensor = out.last_hidden_state[0]
    return states


def head(model: PreTrainedModel, states: torch.Tensor) -> torch.Tensor:
    """Logits ``(N, vocabulary)`` in fp32 of hidden states ``(N, hidden)``."""
    layer = model.get_output_embeddings()
    logits: torch.Tensor = layer(states).float()
    scale = getattr(model.config, "logits_scaling", None)  # Granite divides; others have no such field
    return logits / scale if scale else logits


@dataclass(slots=True)
class Scored:
    """Log-probabilities ``(M,)`` of the wanted tokens, rows in order.

    ``divergence`` ``(M,)`` is the KL divergence in nats, over the whole vocabulary, between the distribution each token came
    from and the reference's; None without a reference. ``nodes`` is how many tokens were run.
    """

    logprobs: torch.Tensor
    divergence: torch.Tensor | None
    nodes: int


def token_logprobs(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    positions: Sequence[Sequence[int]],
    *,
    temperature: float = 1.0,
    block: int = BLOCK,
    chunk: int = 512,
    reference: PreTrainedModel | None = None,
    forward_kl: bool = False,
) -> Scored:
    """Log-probability, in nats, of ``rows[r][p]`` given ``rows[r][:p]`` for each ``p`` of ``positions[r]``.

    With a ``reference`` its distributions are computed too, without gradient, and compared with the model's: KL(model ||
    reference), or with ``forward_kl`` KL(reference || model).

    The head runs only where a wanted token follows, once for each distinct prefix, ``chunk`` of them at a time.
    """
    forest = build_forest(rows)
    plan = plan_for(forest, model.device, block)
    states = hidden_states(model, forest.tokens, forest.positions, plan)
    wanted = [(forest.paths[r][p - 1], rows[r][p]) for r in range(len(rows)) for p in positions[r]]
    if not wanted:
        return Scored(states.new_zeros(0), None, forest.size)
    their_states = None
    if reference is not None:
        with torch.no_grad():
            their_states = hidden_states(reference, forest.tokens, forest.positions, plan)
    sources = {node: i for i, node in enumerate(dict.fromkeys(node for node, _ in wanted))}
    index = torch.tensor(list(sources), device=states.device)
    where = torch.tensor([sources[node] for node, _ in wanted], device=states.device)
    token = torch.tensor([t for _, t in wanted], device=states.device)
    picked: list[torch.Tensor] = []
    divergences: list[torch.Tensor] = []
    places: list[torch.Tensor] = []
    for a in range(0, len(index), chunk):
        logps = torch.log_softmax(head(model, states[index[a : a + chunk]]) / temperature, dim=-1)
        mine = ((where >= a) & (where < a + chunk)).nonzero(as_tuple=True)[0]
        picked.append(logps[where[mine] - a, token[mine]])
        places.append(mine)
        if reference is not None and their_states is not None:
            with torch.no_grad():
                theirs = torch.log_softmax(head(reference, their_states[index[a : a + chunk]]) / temperature, dim=-1)
            kl = theirs.exp() * (theirs - logps) if forward_kl else logps.exp() * (logps - theirs)
            divergences.append(kl.sum(-1)[where[mine] - a])
    order = torch.argsort(torch.cat(places))
    divergence = torch.cat(divergences)[order] if divergences else None
    return Scored(torch.cat(picked)[order], divergence, forest.size)


def check_forward(model: PreTrainedModel, *, tolerance: float = 2e-3) -> None:
    """Compare the forest forward with the model's own on rows that share a prefix. Raises `ModelError` if they differ.

    ``tolerance`` is in nats; bf16 models are given fifty times as much.
    """
    vocabulary: int = model.config.get_text_config().vocab_size
    shared = [(7 * i + 3) % vocabulary for i in range(9)]
    rows = [shared + [(11 * i + 5 + r) % vocabulary for i in range(5 + r)] for r in range(3)]
    where = [list(range(1, len(row))) for row in rows]
    if next(model.parameters()).dtype != torch.float32:
        tolerance *= 50
    with torch.no_grad():
        got = token_logprobs(model, rows, where).logprobs
        expected = torch.cat(
            [
                torch.log_softmax(model(torch.tensor([row], device=model.device)).logits[0, :-1].float(), -1)
                .gather(1, torch.tensor(row[1:], device=model.device)[:, None])
                .squeeze(1)
                for row in rows
            ]
        )
    worst = (got - expected).abs().max().item()
    if not math.isfinite(worst) or worst > tolerance:
        raise ModelError(
            f"{type(model).__name__} does not give the same log-probabilities over shared prefixes as by itself "
            f"(largest difference {worst:.2g} nats, allowed {tolerance:.2g}): its attention does something that "
            "sparring.forward does not know (sliding windows, for example). Use a model with full attention."
        )
