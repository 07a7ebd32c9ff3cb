"""Global random generators, lent to code that draws from them; and what it prints is not shown.

Many environments seed and draw from the generators of the modules ``random`` and ``numpy.random``. Several matches are played
side by side in one process, and everything else in it draws too; so each match keeps the state of both generators to itself
and puts it in place for as long as its environment runs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np


class Generators:
    """The state in which one match left the global generators."""

    __slots__ = ("_states",)

    def __init__(self, seed: int) -> None:
        """As ``random.seed(seed)`` and ``numpy.random.seed(seed)`` leave them."""
        private = random.Random(seed).getstate(), np.random.RandomState(seed).get_state()
        self._states: tuple[Any, Any] = private

    def clone(self) -> Generators:
        other = object.__new__(Generators)
        other._states = self._states  # states are never changed, only replaced
        return other

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The global generators are in this match's state; afterwards in the one before, also after an error."""
        before = random.getstate(), np.random.get_state()
        _set(self._states)
        try:
            with redirect_stdout(StringIO()):  # some games print their boards
                yield
        finally:
            self._states = random.getstate(), np.random.get_state()
            _set(before)


def _set(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
