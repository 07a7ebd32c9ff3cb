"""Rows of tokens as a forest of shared prefixes, so that equal prefixes are computed once.

Rows of self-play share much: all games of a kind share their rules, a group shares its task, and in small games
whole rows are identical. A row's token only depends on the tokens before it, so one node per distinct prefix is enough,
forward and backward: the log-probabilities and gradients are those of the separate rows, up to rounding.

A forest is cut into segments of bounded size. Tokens of a segment attend to their ancestors within it, so the cost
of attention is bounded by the segment and a row never straddles two. Attention computes all pairs of a segment, so rows
that share little are better off in two, where what they share is computed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(slots=True)
class Segment:
    """Consecutive nodes that attend to each other, each subtree in one stretch.

    ``parents`` are relative to the segment; -1 for a root.
    """

    start: int
    parents: list[int] = field(default_factory=list)

    @property
    def is_chain(self) -> bool:
        return all(parent == i - 1 for i, parent in enumerate(self.parents))

    def mask(self, device: torch.device) -> torch.Tensor:
        """``(T, T)`` bool: does node i see node j? Itself and its ancestors."""
        last = list(range(len(self.parents)))  # the last node below each one: what is below a node follows it
        for i, parent in reversed(list(enumerate(self.parents))):
            if parent >= 0:
                last[parent] = max(last[parent], last[i])
        nodes = torch.arange(len(last), device=device)
        return (nodes <= nodes[:, None]) & (nodes[:, None] <= torch.tensor(last, device=device))


@dataclass(slots=True)
class PrefixForest:
    """Nodes in topological order: ``tokens``, ``positions`` (depth), ``segments``; ``paths[r]`` are row r's nodes."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.tokens)


#: How many pairs of attention are as dear as one token in all else, and how many tokens as dear as one more segment.
_PAIRS, _SEGMENT = 512, 8


def build_forest(rows: Sequence[Sequence[int]], segment_tokens: int | None = 1024) -> PrefixForest:
    """A forest over ``rows``; ``paths`` are in the order of ``rows``.

    A segment is closed when the next row would take it beyond ``segment_tokens``, or has so little in common with it that
    attention between them would cost more than computing that again; a longer row has one of its own. With None all is
    one segment. Rows are taken in lexicographic order, so that those that share most are neighbours.
    """
    forest = PrefixForest()
    distinct: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        distinct.setdefault(tuple(row), []).append(number)
    forest.paths = [[] for _ in rows]
    segment = Segment(0)
    path: list[int] = []  # nodes of the previous row, within the present segment
    previous: tuple[int, ...] = ()
    for row, numbers in sorted(distinct.items()):
        shared = shared_prefix(previous[: len(path)], row)
        size, new = len(segment.parents), len(row) - shared
        if size and segment_tokens and (size + new > segment_tokens or size * new > _PAIRS * (shared + _SEGMENT)):
            forest.segments.append(segment)
            segment, path, shared = Segment(forest.size), [], 0
        del path[shared:]
        for depth in range(shared, len(row)):
            segment.parents.append(path[-1] - segment.start if path else -1)
            path.append(forest.size)
            forest.tokens.append(row[depth])
            forest.positions.append(depth)
        previous = row
        for number in numbers:
            forest.paths[number] = list(path)
    if segment.parents:
        forest.segments.append(segment)
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
