"""Where every random event of a game comes from.

A game never draws from a generator of its own: it asks ``chance.pick(options, probabilities)``. The seeded
chance below answers with a draw that depends on its key alone; `sparring_tree.walk` answers with every branch in
turn, which is how a game is compared with its twin and how prompts are enumerated.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    def pick(self, options: Sequence[T], probabilities: Sequence[float] | None = None) -> T:
        """One of ``options``; equally likely unless ``probabilities`` (same length, sum 1) are given."""
        ...

    def clone(self) -> Chance:
        """A copy that will give the same answers."""
        ...


def key_of(*parts: object) -> int:
    """64 bits that depend on every part and on nothing else: not on the process, the platform or the order of calls."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class SeededChance:
    """Chance keyed by facts: ``SeededChance(seed, step, episode)``. Equal keys give equal draws."""

    def __init__(self, *key: object) -> None:
        self._key = key

    @cached_property
    def _random(self) -> random.Random:
        # Made for the first draw: seeding costs as much as a move of a small game, and most opponents and many games draw nothing.
        return random.Random(key_of(*self._key))

    def pick(self, options: Sequence[T], probabilities: Sequence[float] | None = None) -> T:
        if not options:
            raise ValueError("chance.pick needs at least one option")
        if probabilities is None:
            return options[int(self._random.random() * len(options))]
        return self._random.choices(options, probabilities)[0]

    def clone(self) -> SeededChance:
        other = SeededChance()
        other._random.setstate(self._random.getstate())
        return other
