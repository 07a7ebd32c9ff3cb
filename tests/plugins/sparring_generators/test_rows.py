"""Rows of keys and values, held against plain lists of them through whatever may happen to rows."""

from __future__ import annotations

import random

import pytest
import torch

from sparring_generators import attention, rows
from sparring_generators.prefix_cache import Node, PrefixCache

LAYERS, HEADS, GROUPS, SIZE = 2, 4, 2, 8


class Reference:
    """For each row its keys and values ``(layers, 2, K, T, D)``, whole."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        torch.manual_seed(seed)
        self.cache, self.rows = PrefixCache(10**9), rows.Rows()
        self.waves = torch.rand(LAYERS, 2, GROUPS, 1, SIZE)
        self.kv: dict[rows.Row, torch.Tensor] = {}

    def add(self) -> None:
        """Some prompts of few different beginnings, of 1 to 60 tokens."""
        if self.chance.random() < 0.3:
            self.cache = PrefixCache(10**9)  # what was forgotten is read again in other pieces
        ends: list[Node] = []
        for _ in range(self.chance.randint(1, 6)):
            begin = [self.chance.randint(0, 2)] * self.chance.choice([1, 5, 30])
            ends.append(
                self.cache.locate([*begin, *(self.chance.randint(3, 9) for _ in range(self.chance.choice([1, 4, 30])))])
            )
        ends = list(dict.fromkeys(ends))
        for end in ends:
            for node in end.path():
                if node.kv is None:
                    self.cache.computed(node, self.read(node), torch.zeros(1))
        splits = [self.chance.choice([1, 1, 4]) for _ in ends]
        for row, end in zip(self.rows.add([end.path() for end in ends], splits), ends, strict=True):
            self.kv[row] = torch.cat([node.read for node in end.path()], 3)

    def read(self, node: Node) -> torch.Tensor:
        """Keys and values that depend on all tokens up to each, as a model's do."""
        path = [token for before in node.path() for token in before.tokens]
        sums = torch.tensor([float(token * place) for place, token in enumerate(path, 1)]).cumsum(0)[node.start :]
        return torch.sin(self.waves * sums[:, None])

    def fork(self) -> None:
        row = self.chance.choice(list(self.kv))
        self.kv[self.rows.fork(row)] = self.kv[row]

    def drop(self) -> None:
        row = self.chance.choice(list(self.kv))
        self.rows.drop(row)
        del self.kv[row]

    def extend(self) -> None:
        order = self.rows.extend()
        assert sorted(map(id, order)) == sorted(map(id, self.kv))
        new = torch.randn(LAYERS, 2, GROUPS, len(order), SIZE)
        query = torch.randn(LAYERS, HEADS, len(order), SIZE)
        for n, row in enumerate(order):
            self.kv[row] = torch.cat([self.kv[row], new[:, :, :, n : n + 1]], 3)
        for layer in range(LAYERS):
            out = self.rows.attend(layer, query[layer], new[layer, 0], new[layer, 1], None)
            for n, row in enumerate(order):
                k, v = self.kv[row][layer].repeat_interleave(HEADS // GROUPS, 1)
                weights = torch.softmax((k @ query[layer, :, n, :, None])[..., 0] * SIZE**-0.5, -1)
                torch.testing.assert_close(out[:, n], (weights[:, None] @ v)[:, 0], rtol=1e-4, atol=1e-5)

    def check(self) -> None:
        for row, kv in self.kv.items():
            assert row.length == kv.shape[3]
            assert torch.equal(row.span(0, row.length), kv)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_rows_hold_and_attend_to_what_plain_lists_would(
    seed: int, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small banks, so that rows go up and down; memory that nobody has written to is not a number."""
    monkeypatch.setattr(rows, "SMALLEST", 4)
    monkeypatch.setattr(rows, "SPARE", 1 + 3 * (seed // 3))
    monkeypatch.setattr(rows, "WORTH", [0, 2_000, 10**9][seed % 3])
    if not fused:
        monkeypatch.setattr(attention, "_fused", lambda: None)
    new_empty = torch.Tensor.new_empty
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *given, **more: new_empty(*given, **more).fill_(float("nan")))
    with torch.no_grad():
        held = Reference(seed)
        for _ in range(80):
            happens = held.chance.choice([held.add, held.fork, held.drop, held.extend, held.extend, held.extend])
            if held.kv or happens == held.add:
                happens()
                held.check()
