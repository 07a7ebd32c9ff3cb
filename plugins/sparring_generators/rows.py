"""Answers while they are written: where their keys and values lie, and who attends to which of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from sparring_generators.attention import weighed
from sparring_generators.prefix_cache import Node

# What a call of its own in each layer has to save: so many numbers of keys and values that need not be read at each step.
WORTH = 150_000
# A bank's rows have room for so many tokens, the next one's for half as many again: a row is read for at most half more than it has
# with SPARE tokens, but for the few that join a larger bank.
SMALLEST, STEP = 64, 1.5
# A bank is given room for so many times its rows, and keeps it until that is a third too much: to move them costs more than memory
# that nobody has written to, which on a CPU costs nothing.
ROOM, ROOM_ON_A_CPU = 1.5, 3
KEPT = 4 / 3
SPARE = 32  # tokens that rows are made ready for at a time


def bank_size(tokens: int) -> int:
    """What the bank holds of each row in which rows of ``tokens`` are put: they can go on a while."""
    size = SMALLEST
    while size < tokens + SPARE:
        size = int(size * STEP)
    return size


def worth(tokens: int, kv: torch.Tensor) -> bool:
    """Whether not to read so many tokens ``(..., K, T, D)`` pays for a call of its own."""
    return tokens * 2 * kv.shape[-3] * kv.shape[-1] >= WORTH


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """The tokens that several rows begin with: their keys and values ``(layers, 2, K, P, D)`` stand here once for all of them."""

    tokens: tuple[int, ...]
    kv: torch.Tensor

    @classmethod
    def of(cls, end: Node) -> Trunk:
        """All up to the end of this node."""
        nodes = end.path()
        return cls(tuple(token for node in nodes for token in node.tokens), torch.cat([node.read for node in nodes], 3))

    def begins(self, path: Sequence[Node]) -> bool:
        at = 0
        for node in path:
            part = self.tokens[at : at + len(node.tokens)]
            if node.tokens[: len(part)] != part:
                return False
            at += len(part)
        return at == len(self.tokens)


def trunk_length(trunk: Trunk | None) -> int:
    return len(trunk.tokens) if trunk else 0


@dataclass(slots=True, eq=False)
class Row:
    """A sequence of ``length`` tokens: its trunk's, if it has one, and after them its own, which lie in a place of a bank."""

    length: int
    trunk: Trunk | None
    bank: Bank
    place: int = -1

    @property
    def start(self) -> int:
        return trunk_length(self.trunk)

    @property
    def own(self) -> int:
        return self.length - self.start

    @property
    def kv(self) -> torch.Tensor:
        """Keys and values of its own tokens, ``(layers, 2, K, T, D)``."""
        return self.bank.kv[:, :, self.place, :, : self.own]

    def span(self, a: int, b: int) -> torch.Tensor:
        """A copy of the keys and values of its tokens ``[a, b)``."""
        own = self.kv[:, :, :, max(a - self.start, 0) : max(b - self.start, 0)]
        return torch.cat([self.trunk.kv[:, :, :, a:b], own], 3) if self.trunk else own.clone()


class Bank:
    """Rows of similar length: ``kv`` ``(layers, 2, places, K, tokens, D)`` holds of each at most ``tokens``; the first places are taken."""

    def __init__(self, tokens: int, like: torch.Tensor) -> None:
        """``like`` ``(layers, 2, K, T, D)`` gives the rest of the shape."""
        self.tokens = tokens
        self.rows: list[Row] = []
        self.kv = like.new_empty(*like.shape[:2], 0, like.shape[2], tokens, like.shape[4])
        # Tokens of every row that are written or 0: what is masked is multiplied by 0, and must not be NaN.
        self._clean = 0

    @property
    def longest(self) -> int:
        return max((row.own for row in self.rows), default=0)

    def reserve(self, more: int) -> None:
        """Room for so many rows more, and not for many others."""
        used, have = len(self.rows), self.kv.shape[2]
        room = ROOM_ON_A_CPU if self.kv.device.type == "cpu" else ROOM
        if not used + more <= have <= KEPT * room * (used + more):
            fitted = self.kv.new_empty(*self.kv.shape[:2], int((used + more) * room), *self.kv.shape[3:])
            fitted[:, :, :used, :, : self._clean] = self.kv[:, :, :used, :, : self._clean]
            self.kv = fitted

    def clean(self, tokens: int) -> None:
        """Have so many tokens of every row be a number."""
        if tokens > self._clean:
            upto = min(tokens + SPARE, self.tokens)
            self.kv[:, :, : len(self.rows), :, self._clean : upto] = 0
            self._clean = upto

    def take(self, row: Row) -> None:
        """Give the row a place here; what is to lie there is still to be written."""
        self.reserve(1)
        self.clean(row.own)
        row.bank, row.place = self, len(self.rows)
        self.kv[:, :, row.place, :, row.own : self._clean] = 0
        self.rows.append(row)

    def leave(self, place: int) -> None:
        """The last row takes this place, so that those that are taken stay the first."""
        last = self.rows.pop()
        if place < len(self.rows):
            self.kv[:, :, place, :, : last.own] = last.kv
            self.rows[place], last.place = last, place


@dataclass(frozen=True, slots=True)
class _Part:
    """A bank's rows in one step: they are rows ``own`` of all, and each has its new token at ``at``."""

    bank: Bank
    own: slice
    places: torch.Tensor  # (N,)
    at: torch.Tensor  # (N,)
    mask: torch.Tensor  # (N, 1, 1, T), to be added to scores


class Rows:
    """All sequences that are being written, each a row.

    Reading keys and values from memory is what attention costs here. What many rows begin with is a trunk, which is read once
    for all of them; rows of similar length share a bank, and are read as far as the longest of those. As an attention
    plan this takes one new token for each row, which sees its trunk and its row.
    """

    def __init__(self) -> None:
        self._banks: list[Bank] = []  # those that have rows, by size
        self._parts: list[_Part] = []
        self._members: list[tuple[Trunk, torch.Tensor]] = []

    @property
    def all(self) -> list[Row]:
        """In the order in which their tokens are given."""
        return [row for bank in self._banks for row in bank.rows]

    def add(self, paths: Sequence[Sequence[Node]], rows: Sequence[int]) -> list[Row]:
        """New rows that hold the tokens of these paths of nodes; ``rows`` is how many each may split into."""
        trunks = self._trunks_of(paths, rows)
        added = [
            Row(path[-1].end, trunk, self._bank(path[-1].end - trunk_length(trunk), path[0].read))
            for path, trunk in zip(paths, trunks, strict=True)
        ]
        for bank, more in Counter(row.bank for row in added).items():
            bank.reserve(more)
        for row, path in zip(added, paths, strict=True):
            row.bank.take(row)
            for node in path:
                a, b = max(node.start, row.start), node.end
                if a < b:
                    row.kv[:, :, :, a - row.start : b - row.start] = node.read[:, :, :, a - node.start :]
        return added

    def fork(self, row: Row) -> Row:
        """Another row that holds the same."""
        other = Row(row.length, row.trunk, row.bank)
        row.bank.take(other)
        other.kv[:] = row.kv
        return other

    def drop(self, row: Row) -> None:
        row.bank.leave(row.place)
        if not row.bank.rows:
            self._banks.remove(row.bank)
        self._parts, self._members = [], []  # they would hold what is given up

    def extend(self) -> list[Row]:
        """Make room for one token more in each row; returns them in the order in which it is to be given."""
        self._settle()
        self._parts, begin = [], 0
        members: dict[int, tuple[Trunk, list[int]]] = {}
        for bank in self._banks:
            device, own = bank.kv.device, [row.own for row in bank.rows]
            bank.reserve(0)
            bank.clean(max(own) + 1)
            at = torch.tensor(own, device=device)
            seen = torch.arange(max(own) + 1, device=device) <= at[:, None]
            mask = bank.kv.new_zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None, None]
            places = torch.arange(len(own), device=device)
            self._parts.append(_Part(bank, slice(begin, begin + len(own)), places, at, mask))
            for number, row in enumerate(bank.rows, begin):
                row.length += 1
                if row.trunk is not None:
                    members.setdefault(id(row.trunk), (row.trunk, []))[1].append(number)
            begin += len(own)
        self._members = [(trunk, torch.tensor(rows, device=trunk.kv.device)) for trunk, rows in members.values()]
        return self.all

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        heads, rows, size = query.shape
        groups = key.shape[0]
        # Query heads that share keys stand where queries of several positions would: nothing is repeated or copied.
        q = query.view(groups, heads // groups, rows, size).permute(2, 0, 1, 3)
        found = []
        for part in self._parts:
            keys, values = part.bank.kv[layer]
            keys[part.places, :, part.at] = key[:, part.own].transpose(0, 1)
            values[part.places, :, part.at] = value[:, part.own].transpose(0, 1)
            k, v = (kept[: len(part.places), :, : part.mask.shape[-1]] for kept in (keys, values))
            found.append(weighed(q[part.own], k, v, part.mask, scale))
        out, weight = found[0] if len(found) == 1 else map(torch.cat, zip(*found, strict=True))
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

    # ---- banks -----------------------------------------------------------------------------------------------------------

    def _bank(self, tokens: int, like: torch.Tensor) -> Bank:
        """The bank for rows of so many tokens."""
        size = bank_size(tokens)
        for bank in self._banks:
            if bank.tokens == size:
                return bank
        self._banks = sorted([*self._banks, made := Bank(size, like)], key=lambda bank: bank.tokens)
        return made

    def _move(self, rows: Sequence[Row], bank: Bank) -> None:
        bank.reserve(len(rows))
        for row in rows:
            before, place, kv = row.bank, row.place, row.kv
            bank.take(row)
            row.kv[:] = kv
            before.leave(place)

    def _settle(self) -> None:
        """Rows go to the next bank when theirs is full, and to the one that the longest of them needs when none needs theirs; those of a
        bank join the next larger one where a call for them alone saves too little. Banks without rows go."""
        for bank in list(self._banks):
            if full := [row for row in bank.rows[::-1] if row.own == bank.tokens]:
                self._move(full, self._bank(bank.tokens, full[0].kv))
            elif bank_size(bank.longest) < bank.tokens:
                self._move(bank.rows[::-1], self._bank(bank.longest, bank.rows[0].kv))
        self._banks = [bank for bank in self._banks if bank.rows]
        for bank, larger in pairwise(list(self._banks)):
            short = len(bank.rows) + sum(row.own < bank.tokens for row in larger.rows)
            if not worth(short * (larger.longest - bank.longest), bank.kv):
                self._move(bank.rows[::-1], larger)
        self._banks = [bank for bank in self._banks if bank.rows]

    # ---- trunks ----------------------------------------------------------------------------------------------------------

    def _trunks_of(self, paths: Sequence[Sequence[Node]], rows: Sequence[int]) -> list[Trunk | None]:
        """A trunk for each path: the longest that is here, or where that saves enough a longer beginning which rows will share."""
        known = {id(row.trunk): row.trunk for row in self.all if row.trunk is not None}.values()
        chosen: list[Trunk | None] = [
            max((t for t in known if t.begins(path)), key=lambda t: len(t.tokens), default=None) for path in paths
        ]
        read_once = [trunk_length(trunk) for trunk in chosen]
        new: dict[int, Node] = {}
        while True:
            through: dict[Node, list[int]] = {}
            for number, path in enumerate(paths):
                for node in path:
                    if node.end > read_once[number]:
                        through.setdefault(node, []).append(number)
            saved = {
                node: sum(rows[n] * (node.end - read_once[n]) for n in numbers) - node.end
                for node, numbers in through.items()
            }
            best = max(saved, key=saved.__getitem__, default=None)
            if best is None or not worth(saved[best], best.read):
                break
            for number in through[best]:
                new[number], read_once[number] = best, best.end
        made = {node: Trunk.of(node) for node in dict.fromkeys(new.values())}
        return [made[new[number]] if number in new else trunk for number, trunk in enumerate(chosen)]
