"""Rows of tokens as a forest of shared prefixes, so that equal prefixes are computed once.

Rows of self-play share much: all games of a kind share their rules, a group shares its task, and in small games
whole rows are identical. A row's token only depends on the tokens before it, so one node per distinct prefix is enough,
forward and backward: the log-probabilities and gradients are those of the separate rows, up to rounding.

Nodes stand in depth-first order, and attention takes them in blocks. A subtree is one run of nodes, so whatever a block's
nodes see outside of it are the ancestors of its first node: a block attends to that path and to itself, never to more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class Block:
    """Nodes ``[start, end)`` and the path before them: the ancestors of the first one, from the root on."""

    start: int
    end: int
    before: list[int]
    mask: (
        torch.Tensor | None
    )  # (T, before + T) bool, who is seen; None: nothing is before and each node sees all up to it


@dataclass(slots=True)
class PrefixForest:
    """Nodes in depth-first order: ``tokens``, ``positions`` (depth), ``parents`` (-1 for a root); ``paths[r]`` are row r's nodes."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.tokens)

    def blocks(self, tokens: int) -> Iterator[Block]:
        """Cut into blocks of at most ``tokens`` nodes. One ends early where a root follows its second half: nothing is shared there."""
        start = 0
        while start < self.size:
            end = min(start + tokens, self.size)
            roots = (node for node in range(start + tokens // 2, end) if self.parents[node] < 0)
            end = max(start + 1, next(roots, end))
            yield self._block(start, end)
            start = end

    def _block(self, start: int, end: int) -> Block:
        before: list[int] = []
        node = self.parents[start]
        while node >= 0:
            before.append(node)
            node = self.parents[node]
        before.reverse()
        if not before and all(self.parents[node] == node - 1 for node in range(start + 1, end)):
            return Block(start, end, before, None)
        known = len(before)
        seen = np.zeros((end - start, known + end - start), dtype=np.bool_)
        for row, parent in enumerate(self.parents[start:end]):
            if parent >= start:
                seen[row] = seen[parent - start]
            elif parent >= 0:  # on the path before, where a node's place is its depth
                seen[row, : self.positions[parent] + 1] = True
            seen[row, known + row] = True
        return Block(start, end, before, torch.from_numpy(seen))


def build_forest(rows: Sequence[Sequence[int]]) -> PrefixForest:
    """A forest over ``rows``, one node for each distinct prefix; ``paths`` are in the order of ``rows``."""
    forest = PrefixForest()
    distinct: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        distinct.setdefault(tuple(row), []).append(number)
    forest.paths = [[] for _ in rows]
    path: list[int] = []  # nodes of the previous row
    previous: tuple[int, ...] = ()
    for row, numbers in sorted(distinct.items()):  # in lexicographic order, which is depth-first
        shared = shared_prefix(previous, row)
        del path[shared:]
        for depth in range(shared, len(row)):
            forest.parents.append(path[-1] if path else -1)
            path.append(forest.size)
            forest.tokens.append(row[depth])
            forest.positions.append(depth)
        previous = row
        for number in numbers:
            forest.paths[number] = list(path)
    return forest


def batches(rows: Sequence[Sequence[int]], token_budget: int) -> Iterator[list[int]]:
    """Row numbers in groups whose forests have at most ``token_budget`` nodes each (one row may exceed it alone).

    Rows of a group are lexicographic neighbours, so that little sharing is lost at the cuts.
    """
    return batches_of_bundles([[row] for row in rows], token_budget)


def batches_of_bundles(bundles: Sequence[Sequence[Sequence[int]]], token_budget: int) -> Iterator[list[int]]:
    """Like `batches`, of bundles of rows that stay together, such as the two answers of a pair."""
    order = sorted(range(len(bundles)), key=lambda b: tuple(bundles[b][0]))
    group: list[int] = []
    size = 0
    previous: Sequence[int] = ()
    for number in order:
        new, alone = 0, 0
        before: Sequence[int] = ()
        for row in bundles[number]:
            new += len(row) - shared_prefix(previous, row)
            alone += len(row) - shared_prefix(before, row)
            before = previous = row
        if group and size + new > token_budget:
            yield group
            group, size, new = [], 0, alone
        group.append(number)
        size += new
    if group:
        yield group


def shared_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two rows have in common from their start."""
    for number, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return number
    return min(len(a), len(b))
