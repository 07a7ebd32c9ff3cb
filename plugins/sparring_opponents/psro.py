"""Past versions drawn by the meta-strategy over their payoff matrix: policy-space response oracles (PSRO).

Lanctot et al. 2017, arXiv:1711.00832, algorithm 1: the next member is an approximate best response to a meta-strategy over those
there are, for instance an equilibrium of the game in which one picks a member to play. Here the policy itself is the response
that is being trained; every so many steps it becomes a member, and goes on from there.

The paper plays all pairs of members to fill the matrix. Here a member's row is what the policy won, as it became that member,
in the training matches of the steps before, so nothing is played that is not learned from; `explore` keeps every member met (ours).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
from pydantic import Field

from sparring import Chance, Match, Params
from sparring_opponents.meta_solvers import SOLVERS, MetaSolver
from sparring_opponents.seats import SEAT, Seat, opposite


class PsroParams(Params):
    solver: MetaSolver = Field(
        "nash",
        description="What the opponents are drawn by: nash, an equilibrium of the payoff matrix; replicator, projected replicator "
        "dynamics; uniform, every member alike (fictitious self-play).",
    )
    every: int = Field(
        20, ge=1, description="Steps between members that are added; the first is there before training."
    )
    size: int = Field(16, ge=2, description="Most members kept; of the older ones the least drawn leaves first.")
    explore: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of these matches whose opponent is drawn evenly, so that the matrix stays true.",
    )
    memory: float = Field(
        0.95,
        ge=0,
        lt=1,
        description="How much of what is known against a member a further match leaves; it begins as 0.",
    )
    self_play: float = Field(0.0, ge=0, lt=1, description="Share of episodes against the policy as it is now.")
    seat: Seat = Field("random", description=SEAT)


@dataclass(slots=True)
class _Population:
    members: list[int] = field(default_factory=lambda: [0])
    rows: list[list[float]] = field(default_factory=lambda: [[0.0]])  # what members win of members
    row: list[float] = field(default_factory=lambda: [0.0])  # what the policy as it is now wins of them
    meta: list[float] = field(default_factory=lambda: [1.0])


class Psro:
    """Past versions of the policy, drawn by an equilibrium of what they win of each other.

    For zero-sum games: a member wins what the other loses, by the rewards of the learning policy's roles.
    """

    def __init__(self, params: PsroParams) -> None:
        self.params = params
        self._populations: defaultdict[str, _Population] = defaultdict(_Population)

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        known, p = self._populations[policy], self.params
        even = p.explore / len(known.members)
        weights = [(1 - p.self_play) * ((1 - p.explore) * share + even) for share in known.meta]
        opponent = chance.pick([None, *known.members], [p.self_play, *weights])
        return opposite(opponent, roles, p.seat, chance)

    def matches_ended(self, matches: Sequence[Match]) -> None:
        for match in matches:
            known = self._populations[match.policy]
            if match.opponent in known.members:
                at = known.members.index(match.opponent)
                kept = self.params.memory
                known.row[at] = kept * known.row[at] + (1 - kept) * fmean(match.returns.values())

    def members(self, policy: str) -> list[int]:
        return list(self._populations[policy].members)

    def most_members(self, policy: str, steps: int) -> int:
        return min(self.params.size, 1 + steps // self.params.every)

    def step_ended(self, policy: str, version: int) -> None:
        if version % self.params.every:
            return
        known = self._populations[policy]
        if len(known.members) == self.params.size:
            at = min(range(len(known.members)), key=lambda i: (known.meta[i], known.members[i]))
            del known.members[at], known.rows[at], known.row[at]
            for row in known.rows:
                del row[at]
        for row, won in zip(known.rows, known.row, strict=True):
            row.append(-won)
        known.rows.append([*known.row, 0.0])
        known.row.append(0.0)  # it has just become this member; against the others it wins what it won
        known.members.append(version)
        known.meta = SOLVERS[self.params.solver](np.array(known.rows)).tolist()

    def state_dict(self) -> dict[str, Any]:
        return {
            policy: {"members": known.members, "rows": known.rows, "row": known.row, "meta": known.meta}
            for policy, known in self._populations.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._populations = defaultdict(_Population, {policy: _Population(**known) for policy, known in state.items()})
