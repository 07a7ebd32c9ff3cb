"""Who attends to whom while prompts are read and answers are written. See `sparring.forward.AttentionPlan`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional

from sparring.forward import BLOCK
from sparring.prefix_tree import PrefixForest
from sparring_generators.prefix_cache import Node

# A beginning is shared by rows if that saves reading so many tokens at each step; a trunk costs a call of its own in each layer.
WORTH = 256
# Rows get room for so many times their tokens: to move them costs more than memory that nobody has written to, which on a CPU
# costs nothing.
ROOM, ROOM_ON_A_CPU = 1.5, 3
SPARE = 32  # tokens that rows are made ready for at a time


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
    past = torch.cat([_kv(node) for node in known], 3) if known else None
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


def _kv(node: Node) -> torch.Tensor:
    assert node.kv is not None
    return node.kv


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


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """The tokens that several rows begin with: their keys and values ``(layers, 2, K, P, D)`` stand here once for all of them."""

    tokens: tuple[int, ...]
    kv: torch.Tensor

    def begins(self, path: Sequence[Node]) -> bool:
        at = 0
        for node in path:
            part = self.tokens[at : at + len(node.tokens)]
            if node.tokens[: len(part)] != part:
                return False
            at += len(part)
        return at == len(self.tokens)


class Rows:
    """Sequences that are being written, one row of keys and values each; the first ``count`` rows are in use.

    What many rows begin with is a trunk. Reading keys and values from memory is what attention costs here, and a trunk is read
    once for all its rows. ``kv`` ``(layers, 2, rows, K, tokens, D)`` holds what each row has after its trunk. As an attention
    plan it takes one new token for each row, which sees its trunk and its row.
    """

    def __init__(self) -> None:
        self.kv = torch.empty(0)
        self.lengths: list[int] = []
        self.trunks: list[Trunk | None] = []
        self._clean = 0  # tokens of every row that are written or 0
        self._at = self._mask = torch.empty(0)
        self._members: list[tuple[Trunk, torch.Tensor]] = []

    @property
    def count(self) -> int:
        return len(self.lengths)

    def add(self, paths: Sequence[Sequence[Node]]) -> None:
        """New rows that hold the tokens of these paths of nodes."""
        trunks = self._trunks_of(paths)
        starts = [len(trunk.tokens) if trunk else 0 for trunk in trunks]
        longest = max(path[-1].end - start for path, start in zip(paths, starts, strict=True))
        self._reserve(_kv(paths[0][0]), self.count + len(paths), longest)
        for path, trunk, start in zip(paths, trunks, starts, strict=True):
            for node in path:
                a, b = max(node.start, start), node.end
                if a < b:
                    self.kv[:, :, self.count, :, a - start : b - start] = _kv(node)[:, :, :, a - node.start :]
            self.lengths.append(path[-1].end)
            self.trunks.append(trunk)

    def _trunks_of(self, paths: Sequence[Sequence[Node]]) -> list[Trunk | None]:
        """A trunk for each path: one that is here, or the beginning that is worth most among those that paths share."""
        known = {id(trunk): trunk for trunk in self.trunks if trunk is not None}.values()
        chosen = [
            max((t for t in known if t.begins(path)), key=lambda t: len(t.tokens), default=None) for path in paths
        ]
        free = [number for number, trunk in enumerate(chosen) if trunk is None]
        while True:
            through: dict[Node, list[int]] = {}
            for number in free:
                for node in paths[number]:
                    through.setdefault(node, []).append(number)
            worth = {node: (len(numbers) - 1) * node.end for node, numbers in through.items()}
            best = max(worth, key=worth.__getitem__, default=None)
            if best is None or worth[best] < WORTH:
                return chosen
            nodes = best.path()
            trunk = Trunk(
                tuple(token for node in nodes for token in node.tokens), torch.cat([_kv(node) for node in nodes], 3)
            )
            for number in through[best]:
                chosen[number] = trunk
            free = [number for number in free if chosen[number] is None]

    def arrange(self, sources: Sequence[int]) -> None:
        """Let row i hold what ``sources[i]`` held. A row may be asked for several times, or not at all."""
        moved = [(to, source) for to, source in enumerate(sources) if to != source]
        if moved:
            self._reserve(self.kv[:, :, 0], len(sources), 0)
            longest = max(self._own(source) for _, source in moved)
            to, source = (torch.tensor(numbers, device=self.kv.device) for numbers in zip(*moved, strict=True))
            self.kv[:, :, to, :, :longest] = self.kv[:, :, source, :, :longest]
        self.lengths = [self.lengths[source] for source in sources]
        self.trunks = [self.trunks[source] for source in sources]

    def _own(self, row: int) -> int:
        """Tokens of a row after its trunk."""
        trunk = self.trunks[row]
        return self.lengths[row] - (len(trunk.tokens) if trunk else 0)

    def span(self, row: int, a: int, b: int) -> torch.Tensor:
        trunk = self.trunks[row]
        start = len(trunk.tokens) if trunk else 0
        own = self.kv[:, :, row, :, max(a - start, 0) : max(b - start, 0)]
        return torch.cat([trunk.kv[:, :, :, a:b], own], 3) if trunk else own.clone()

    def extend(self) -> list[int]:
        """Make room for one token more in each row; returns their positions."""
        positions = self.lengths
        own = [self._own(row) for row in range(self.count)]
        self._reserve(self.kv[:, :, 0], 0, max(own) + 1)
        self._at = torch.tensor(own, device=self.kv.device)
        seen = torch.arange(max(own) + 1, device=self.kv.device) <= self._at[:, None]
        self._mask = self.kv.new_zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None, None]
        members: dict[int, tuple[Trunk, list[int]]] = {}
        for row, trunk in enumerate(self.trunks):
            if trunk is not None:
                members.setdefault(id(trunk), (trunk, []))[1].append(row)
        self._members = [(trunk, torch.tensor(rows, device=self.kv.device)) for trunk, rows in members.values()]
        self.lengths = [length + 1 for length in positions]
        return positions

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        heads, rows, size = query.shape
        groups, longest = key.shape[0], self._mask.shape[-1]
        numbers = torch.arange(rows, device=self.kv.device)
        for i, new in ((0, key), (1, value)):
            self.kv[layer, i][numbers, :, self._at] = new.transpose(0, 1)
        k, v = (self.kv[layer, i, :rows, :, :longest] for i in (0, 1))
        # Query heads that share keys stand where queries of several positions would: nothing is repeated or copied.
        q = query.view(groups, heads // groups, rows, size).permute(2, 0, 1, 3)
        out, weight = weighed(q, k, v, self._mask, scale)
        for trunk, members in self._members:
            every = len(members) == rows
            asking = (q if every else q[members]).transpose(0, 1).reshape(1, groups, -1, size)
            there, its_weight = weighed(asking, trunk.kv[layer, 0][None], trunk.kv[layer, 1][None], None, scale)
            shape = (groups, len(members), heads // groups)
            there = there.view(*shape, size).transpose(0, 1)
            its_weight = its_weight.view(shape).transpose(0, 1)
            share = torch.sigmoid(its_weight - (weight if every else weight[members]))[..., None].to(out.dtype)
            if every:
                out = torch.lerp(out, there, share)
            else:
                out[members] = torch.lerp(out[members], there, share)
        return out.permute(1, 2, 0, 3).reshape(heads, rows, size)

    def _reserve(self, like: torch.Tensor, rows: int, tokens: int) -> None:
        """Room for so many rows of so many tokens; ``like`` ``(layers, 2, K, T, D)`` gives the rest of the shape."""
        have_rows, have_tokens = self.kv.shape[2:5:2] if self.kv.dim() > 1 else (0, 0)
        if rows > have_rows or tokens > have_tokens:
            self._grow(like, rows, tokens)
        if tokens > self._clean:
            # What is masked is multiplied by 0, and must not be NaN.
            clean = min(tokens + SPARE, self.kv.shape[4])
            self.kv[:, :, :, :, self._clean : clean] = 0
            self._clean = clean

    def _grow(self, like: torch.Tensor, rows: int, tokens: int) -> None:
        have_rows, have_tokens = self.kv.shape[2:5:2] if self.kv.dim() > 1 else (0, 0)
        rows = max(rows, 2 * have_rows) if rows > have_rows > 0 else max(rows, have_rows)
        room = ROOM_ON_A_CPU if like.device.type == "cpu" else ROOM
        tokens = int(tokens * room) if tokens > have_tokens else have_tokens
        grown = like.new_empty(*like.shape[:2], rows, like.shape[2], tokens, like.shape[4])
        if self.count:
            grown[:, :, : self.count, :, : self._clean] = self.kv[:, :, : self.count, :, : self._clean]
        grown[:, :, self.count :, :, : self._clean] = 0
        self.kv = grown


def weighed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention ``(B, K, T, D)`` and, in nats, the log of the sum of its weights ``(B, K, T)``, by which parts are put together."""
    if query.device.type == "cpu" and (fused := _fused()) is not None:
        out, weight = fused(query, key, value, attn_mask=mask, scale=scale)
        return out, weight
    scores = torch.matmul(query, key.transpose(-1, -2)).float() * (scale or query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores + mask
    weights = torch.logsumexp(scores, -1)
    return torch.matmul((scores - weights[..., None]).exp().to(value.dtype), value), weights


@cache
def _fused() -> Callable[..., tuple[torch.Tensor, torch.Tensor]] | None:
    """torch's own attention on CPUs, which tells the sum too; it is private, so it is tried before it is trusted."""
    try:
        fused: Callable[..., tuple[torch.Tensor, torch.Tensor]]
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        with torch.autocast("cpu", enabled=False):
            x = torch.arange(24.0).view(1, 2, 3, 4) / 24
            out, weight = fused(x, x, x, attn_mask=None, scale=0.5)
            scores = x @ x.transpose(-1, -2) * 0.5
            right = torch.allclose(weight, scores.logsumexp(-1)) and torch.allclose(out, scores.softmax(-1) @ x)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
    return fused if right else None
