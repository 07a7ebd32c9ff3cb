"""What the members of a population win of each other, and how many matches say so.

A cell that nobody has played is missing (None, or NaN as a number), never 0: 0 is what equals win of each other. The table holds
what each member won of those before it; what those win of it is the same with the other sign, so that payoffs are exactly
antisymmetric.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sparring_opponents.meta_solvers import Payoffs


class Cell(NamedTuple):
    """What one member wins of another, in reward units a match."""

    payoff: float
    matches: float  # as many evenly weighted ones would be as certain
    error: float | None  # standard error of ``payoff``; None if one match says nothing of it


@dataclass(slots=True)
class Tally:
    """Weighted sums of results. Older ones weigh less: see `fade`."""

    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    weight_squares: float = 0.0

    def add(self, value: float) -> None:
        self.weight += 1
        self.total += value
        self.squares += value * value
        self.weight_squares += 1

    def fade(self, memory: float) -> None:
        self.weight *= memory
        self.total *= memory
        self.squares *= memory
        self.weight_squares *= memory * memory

    @property
    def mean(self) -> float:
        return self.total / self.weight

    @property
    def matches(self) -> float:
        """Kish's effective number: ``(Σ w)² / Σ w²``."""
        return self.weight**2 / self.weight_squares if self.weight_squares else 0.0

    @property
    def error(self) -> float | None:
        """Standard error of the mean; None with less than two matches' worth."""
        if self.matches < 2:
            return None
        variance = max(0.0, self.squares / self.weight - self.mean**2)
        return math.sqrt(variance / (self.matches - 1))


class Results:
    """What a policy has lately won of each member, apart by game and by the roles it held.

    A cell is the mean over those, so that whoever moves first, and which seat was drawn more often, make no difference.
    """

    def __init__(self) -> None:
        self._tallies: defaultdict[int, defaultdict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))

    def add(self, member: int, where: str, value: float) -> None:
        self._tallies[member][where].add(value)

    def fade(self, memory: float) -> None:
        """Let every result weigh ``memory`` of what it did."""
        for tallies in self._tallies.values():
            for tally in tallies.values():
                tally.fade(memory)

    def matches(self, member: int) -> float:
        return sum(tally.matches for tally in self._tallies[member].values()) if member in self._tallies else 0.0

    def cell(self, member: int) -> Cell | None:
        """None if they have not met."""
        met = [tally for tally in self._tallies[member].values() if tally.weight] if member in self._tallies else []
        if not met:
            return None
        errors = [tally.error for tally in met]
        known = [error for error in errors if error is not None]
        error = math.sqrt(sum(e * e for e in known)) / len(met) if len(known) == len(met) else None
        return Cell(sum(tally.mean for tally in met) / len(met), self.matches(member), error)

    def state_dict(self) -> dict[str, Any]:
        return {
            str(member): {
                where: [t.weight, t.total, t.squares, t.weight_squares] for where, t in tallies.items()
            }
            for member, tallies in self._tallies.items()
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._tallies.clear()
        for member, tallies in state.items():
            for where, sums in tallies.items():
                self._tallies[int(member)][where] = Tally(*sums)


@dataclass(slots=True)
class PayoffTable:
    """Members, by version, in the order in which they were added, and the cells between them."""

    members: list[int] = field(default_factory=lambda: [0])
    # What each member wins of each one before it: the first has an empty row.
    rows: list[list[Cell | None]] = field(default_factory=lambda: [[]])

    def add(self, member: int, against: Sequence[Cell | None]) -> None:
        """``against`` has a cell for each member there is."""
        assert len(against) == len(self.members), (len(against), self.members)
        self.members.append(member)
        self.rows.append(list(against))

    def remove(self, at: int) -> None:
        del self.members[at], self.rows[at]
        for row in self.rows[at:]:
            del row[at]

    def payoffs(self) -> Payoffs:
        """``(N, N)``, what the row's member wins of the column's; NaN where they have not met."""
        n = len(self.members)
        found = np.zeros((n, n))
        for i, row in enumerate(self.rows):
            for j, cell in enumerate(row):
                found[i, j] = np.nan if cell is None else cell.payoff
                found[j, i] = -found[i, j]
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"members": list(self.members), "rows": [[c and list(c) for c in row] for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.members = list(state["members"])
        self.rows = [[c and Cell(*c) for c in row] for row in state["rows"]]
