"""Who attends to whom while prompts are read and answers are written. See `sparring.forward.AttentionPlan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from sparring_generators.prefix_cache import Node


@dataclass(frozen=True, slots=True)
class Siblings:
    """New nodes ``[start, end)`` of a packed call that follow the same known tokens, whose nodes are ``known``."""

    start: int
    end: int
    known: Sequence[Node]
    mask: torch.Tensor | None  # (T, known + T); None if nothing is known and there is one node: a plain causal chain


class PromptPlan:
    """Prompts' new tokens: a node sees what is known before it and itself. Keeps ``kv`` ``(layers, 2, K, T, D)`` of them."""

    def __init__(self, groups: Sequence[Siblings], layers: int, tokens: int) -> None:
        self._groups, self._layers, self._tokens = groups, layers, tokens
        self.kv = torch.empty(0)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        if layer == 0:
            self.kv = key.new_empty(self._layers, 2, key.shape[0], self._tokens, key.shape[2])
        self.kv[layer, 0], self.kv[layer, 1] = key, value
        parts = []
        for group in self._groups:
            own = slice(group.start, group.end)
            k, v = (
                torch.cat([*(node.kv[layer, i] for node in group.known if node.kv is not None), new[:, own]], 1)
                for i, new in ((0, key), (1, value))
            )
            parts.append(
                functional.scaled_dot_product_attention(
                    query[None, :, own],
                    k[None],
                    v[None],
                    attn_mask=group.mask,
                    is_causal=group.mask is None,
                    scale=scale,
                    enable_gqa=query.shape[0] != key.shape[0],
                )[0]
            )
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Rows:
    """Sequences that are being written, one row of keys and values each; the first ``count`` rows are in use.

    ``kv`` is ``(layers, 2, rows, K, tokens, D)`` and grows by doubling. As an attention plan it takes one new token for
    each row, which sees its row.
    """

    def __init__(self) -> None:
        self.kv = torch.empty(0)
        self.lengths: list[int] = []
        self._at = self._visible = torch.empty(0)

    @property
    def count(self) -> int:
        return len(self.lengths)

    def add(self, path: Sequence[Node]) -> int:
        """A new row that holds the tokens of a path of nodes."""
        row, length = self.count, path[-1].end
        first = path[0].kv
        assert first is not None
        self._reserve(first, row + 1, length + 1)
        for node in path:
            assert node.kv is not None
            self.kv[:, :, row, :, node.start : node.end] = node.kv
        self.lengths.append(length)
        return row

    def arrange(self, sources: Sequence[int]) -> None:
        """Let row i hold what ``sources[i]`` held. A row may be asked for several times, or not at all."""
        moved = [(to, source) for to, source in enumerate(sources) if to != source]
        if moved:
            self._reserve(self.kv[:, :, 0], len(sources), 0)
            longest = max(self.lengths[source] for _, source in moved)
            to, source = (torch.tensor(numbers, device=self.kv.device) for numbers in zip(*moved, strict=True))
            self.kv[:, :, to, :, :longest] = self.kv[:, :, source, :, :longest]
        self.lengths = [self.lengths[source] for source in sources]

    def span(self, row: int, a: int, b: int) -> torch.Tensor:
        return self.kv[:, :, row, :, a:b].clone()

    def extend(self) -> list[int]:
        """Make room for one token more in each row; returns their positions."""
        positions = self.lengths
        self._reserve(self.kv[:, :, 0], 0, max(positions) + 1)
        self._at = torch.tensor(positions, device=self.kv.device)
        self._visible = torch.arange(max(positions) + 1, device=self.kv.device) <= self._at[:, None]
        self.lengths = [length + 1 for length in positions]
        return positions

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        heads, rows, size = query.shape
        groups, longest = key.shape[0], self._visible.shape[1]
        numbers = torch.arange(rows, device=self.kv.device)
        for i, new in ((0, key), (1, value)):
            self.kv[layer, i][numbers, :, self._at] = new.transpose(0, 1)
        k, v = (self.kv[layer, i, :rows, :, :longest] for i in (0, 1))
        # Query heads that share keys stand where queries of several positions would: nothing is repeated or copied.
        q = query.view(groups, heads // groups, rows, size).permute(2, 0, 1, 3)
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=self._visible[:, None, None], scale=scale)
        return out.permute(1, 2, 0, 3).reshape(heads, rows, size)

    def _reserve(self, like: torch.Tensor, rows: int, tokens: int) -> None:
        """Room for so many rows of so many tokens; ``like`` ``(layers, 2, K, T, D)`` gives the rest of the shape."""
        have_rows, have_tokens = self.kv.shape[2:5:2] if self.kv.dim() > 1 else (0, 0)
        if rows <= have_rows and tokens <= have_tokens:
            return
        rows = max(rows, 2 * have_rows) if rows > have_rows else have_rows
        tokens = max(tokens, tokens + tokens // 2) if tokens > have_tokens else have_tokens
        grown = like.new_zeros(*like.shape[:2], rows, like.shape[2], tokens, like.shape[4])
        if self.count:
            used = self.kv[:, :, : self.count]
            grown[:, :, : self.count, :, :have_tokens] = used
        self.kv = grown  # zeros, since what is masked is multiplied by 0 and must not be NaN
