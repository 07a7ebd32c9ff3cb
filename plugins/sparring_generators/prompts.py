"""Prompts while they are read: who attends to whom. See `sparring.forward.AttentionPlan`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from sparring.forward import BLOCK
from sparring.prefix_tree import PrefixForest
from sparring_generators.prefix_cache import Node


@dataclass(frozen=True, slots=True)
class Part:
    """New tokens ``[start, end)`` of a packed call, which see ``known`` ones, some before them in the call, and each other."""

    start: int
    end: int
    known: torch.Tensor | None  # (layers, 2, K, P, D): keys and values of what was read before
    before: torch.Tensor | None  # (B,): their ancestors in the call
    mask: (
        torch.Tensor | None
    )  # (T, P + B + T) to be added to scores; None: nothing is before, each sees all up to itself


def parts(forest: PrefixForest, start: int, known: Sequence[Node], like: torch.Tensor) -> Iterator[Part]:
    """A forest whose roots follow ``known``, from place ``start`` of a call on; ``like`` has the type and device of scores."""
    past = torch.cat([node.read for node in known], 3) if known else None
    for block in forest.blocks(BLOCK):
        size = block.end - block.start
        seen = block.mask if block.mask is not None else torch.ones(size, size, dtype=torch.bool).tril()
        if past is not None:
            seen = torch.cat([seen.new_ones(size, past.shape[3]), seen], 1)
        before = torch.tensor(block.before, device=like.device) + start if block.before else None
        mask = None if past is None and block.mask is None else like.new_zeros(seen.shape)
        if mask is not None:
            mask.masked_fill_(~seen.to(like.device), float("-inf"))
        yield Part(start + block.start, start + block.end, past, before, mask)


class PromptPlan:
    """Prompts' new tokens: each sees those before it in its conversation. Keeps ``kv`` ``(layers, 2, K, T, D)`` of them."""

    def __init__(self, parts: Sequence[Part], layers: int, tokens: int) -> None:
        self._parts, self._layers, self._tokens = parts, layers, tokens
        self.kv = torch.empty(0)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        if layer == 0:
            self.kv = key.new_empty(self._layers, 2, key.shape[0], self._tokens, key.shape[2])
        self.kv[layer, 0], self.kv[layer, 1] = key, value
        outs = []
        for part in self._parts:
            own = slice(part.start, part.end)
            k, v = (
                torch.cat(
                    [
                        *([part.known[layer, i]] if part.known is not None else []),
                        *([new[:, part.before]] if part.before is not None else []),
                        new[:, own],
                    ],
                    1,
                )
                for i, new in ((0, key), (1, value))
            )
            outs.append(
                functional.scaled_dot_product_attention(
                    query[None, :, own],
                    k[None],
                    v[None],
                    attn_mask=part.mask,
                    is_causal=part.mask is None,
                    scale=scale,
                    enable_gqa=query.shape[0] != key.shape[0],
                )[0]
            )
        return outs[0] if len(outs) == 1 else torch.cat(outs, 1)
