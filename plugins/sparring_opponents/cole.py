"""Past selves drawn by how badly they go with the others: cooperative open-ended learning (COLE), the rank variant.

Li et al. 2023, arXiv:2302.04831, weigh members by Shapley values; this is what ZSC-Eval's repository (f940869) computes instead. A
table ``U`` holds what members and the learning policy get together. Of all of them the policy meets those more often whose mean
utility is low: ``w_p = 1 - mean_j U[p][j] / Σ_q mean_j U[q][j]``, dense rank of it, ``p ∝ rank^kappa``. A share of 1 / (ratio + 1) is
self-play. Every so many steps the policy is a candidate for membership, see `Cole`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from pydantic import Field

from sparring import Chance, Match, Params, SeededChance
from sparring_opponents.ranks import dense_ranks, rank_shares
from sparring_opponents.seats import SEAT, Seat, opposite

OLDEST = 10  # of a full population, among these one gives its place
TRIES = 2  # refusals after which a candidate is admitted anyway


class ColeParams(Params):
    size: int = Field(25, ge=1, description="Most members. ZSC-Eval pairs 25, 50, 75 with kappa 1.5, 1.0, 0.5.")
    every: int = Field(20, ge=1, description="Steps between candidates; the first member is there before training.")
    kappa: float = Field(1.5, gt=0, description="Exponent of the rank of a member.")
    ratio: float = Field(3.0, gt=0, description="Episodes with members for one of self-play.")
    admit: float = Field(
        0.9,
        ge=0,
        le=1,
        description="A candidate's mean utility must rank this high, as a share of the members, to join.",
    )
    admit_full: float = Field(0.8, ge=0, le=1, description="The same when there are as many members as may be.")
    seat: Seat = Field("random", description=SEAT)


@dataclass(slots=True)
class _Population:
    members: list[int] = field(default_factory=lambda: [0])
    table: list[list[float]] = field(default_factory=lambda: [[0.0]])  # what members get with members
    row: list[float] = field(default_factory=lambda: [0.0])  # what the policy as it is now gets with members
    alone: float = 0.0  # what it gets with itself
    refused: int = 0  # since it was last admitted

    def utilities(self) -> tuple[list[float], float]:
        """Mean utility of each member, and of the policy, with all of them and with the policy."""
        members = [fmean([*row, mine]) for row, mine in zip(self.table, self.row, strict=True)]
        return members, fmean([*self.row, self.alone])


class Cole:
    """Past versions of the policy, those that go badly with the others drawn more often; for games with one return for all.

    A candidate joins if its mean utility's rank among members and itself is at least ``ceil(admit n)`` of n members, or if it has been
    refused twice. It takes a free place, or when there is none that of a random one of the ten oldest, copies the policy's row of the
    table, and its diagonal is the policy's return in self-play.
    """

    def __init__(self, params: ColeParams) -> None:
        self.params = params
        self._populations: defaultdict[str, _Population] = defaultdict(_Population)

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> Mapping[str, int | None]:
        alone = 1 / (self.params.ratio + 1)
        if chance.pick([True, False], [alone, 1 - alone]):
            return dict.fromkeys(roles)
        member = chance.pick(self._populations[policy].members, self.shares(policy))
        return opposite(member, roles, self.params.seat, chance)

    def shares(self, policy: str) -> list[float]:
        """The probability of each member. Rank by -utility: the order of ``w`` where utilities add up to more than 0."""
        members, _ = self._populations[policy].utilities()
        return rank_shares([-utility for utility in members], self.params.kappa)

    def matches_ended(self, matches: Sequence[Match]) -> None:
        got: defaultdict[tuple[str, int | None], list[float]] = defaultdict(list)
        for match in matches:
            if not isinstance(match.opponent, str):
                got[match.policy, match.opponent].append(fmean(match.returns.values()))
        for (policy, opponent), returns in got.items():
            known = self._populations[policy]
            if opponent is None:
                known.alone = (known.alone + fmean(returns)) / 2
            elif opponent in known.members:
                at = known.members.index(opponent)
                known.row[at] = (known.row[at] + fmean(returns)) / 2

    def members(self, policy: str) -> list[int]:
        return list(self._populations[policy].members)

    def most_members(self, policy: str, steps: int) -> int:
        return min(self.params.size, 1 + steps // self.params.every)

    def step_ended(self, policy: str, version: int) -> None:
        if version % self.params.every:
            return
        known = self._populations[policy]
        full = len(known.members) == self.params.size
        members, mine = known.utilities()
        needed = math.ceil((self.params.admit_full if full else self.params.admit) * len(members))
        if dense_ranks([*members, mine])[-1] < needed and known.refused < TRIES:
            known.refused += 1
            return
        known.refused = 0
        if full:
            oldest = sorted(range(len(known.members)), key=lambda at: known.members[at])[:OLDEST]
            self._replace(known, SeededChance("cole", policy, version).pick(oldest), version)
        else:
            for row, with_it in zip(known.table, known.row, strict=True):
                row.append(with_it)
            known.table.append([*known.row, known.alone])
            known.row.append(known.alone)
            known.members.append(version)

    def _replace(self, known: _Population, at: int, version: int) -> None:
        for other, with_it in enumerate(known.row):
            known.table[other][at] = known.table[at][other] = with_it
        known.table[at][at] = known.row[at] = known.alone
        known.members[at] = version

    def state_dict(self) -> dict[str, Any]:
        return {policy: asdict(known) for policy, known in self._populations.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._populations = defaultdict(_Population, {policy: _Population(**known) for policy, known in state.items()})
