"""The past version that makes the most even match, by ratings with uncertainty.

UnstableBaselines (`LeonGuertler/UnstableBaselines` at 11f37be) rates all its checkpoints by TrueSkill, with a beta of 4, and lets a new
one inherit its predecessor's mean with twice the deviation. It announces opponents matched by rating, but no sampler there reads the
ratings; drawing by match quality is ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import fmean
from typing import Any

from pydantic import Field

from sparring import Chance, Match, Params
from sparring_opponents.seats import SEAT, Seat, opposite
from sparring_opponents.trueskill import Rating, quality, rated


class RatingMatchedParams(Params):
    size: int = Field(16, ge=1, description="Most versions kept; the worst match for the policy leaves first.")
    every: int = Field(
        10, ge=1, description="Steps between versions that are added; the first is there before training."
    )
    self_play: float = Field(0.5, ge=0, lt=1, description="Share of episodes against the policy as it is now.")
    mu: float = Field(25.0, description="Mean of a skill of which nothing is known.")
    sigma: float = Field(25 / 3, gt=0, description="Its deviation, and the largest there is (the latter is ours).")
    beta: float = Field(4.0, gt=0, description="Deviation of what is shown in a match around a skill.")
    tau: float = Field(25 / 300, ge=0, description="How far skills drift between matches (TrueSkill's default).")
    draw_probability: float = Field(0.1, gt=0, lt=1, description="Of equals (TrueSkill's default).")
    growth: float = Field(2.0, ge=1, description="What the deviation of a new version's successor is multiplied by.")
    seat: Seat = Field("random", description=SEAT)


@dataclass(slots=True)
class _Rated:
    present: Rating  # of the policy as it is now
    members: dict[int, Rating]


class RatingMatched:
    """The past version whose rating makes the most even match with the policy's own (TrueSkill's match quality).

    A match is won if the rewards of the learning policy's role add up to more than 0, drawn at 0; so the rewards of an entry should
    be centred, as those of zero-sum games are.
    """

    def __init__(self, params: RatingMatchedParams) -> None:
        self.params = params
        new = Rating(params.mu, params.sigma)
        self._known: defaultdict[str, _Rated] = defaultdict(lambda: _Rated(new, {0: new}))

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        best = max(self._known[policy].members, key=lambda member: (self._quality(policy, member), member))
        opponent = chance.pick([None, best], [self.params.self_play, 1 - self.params.self_play])
        return opposite(opponent, roles, self.params.seat, chance)

    def _quality(self, policy: str, member: int) -> float:
        known = self._known[policy]
        return quality(known.present, known.members[member], self.params.beta)

    def matches_ended(self, matches: Sequence[Match]) -> None:
        p = self.params
        for match in matches:
            known = self._known[match.policy]
            if match.opponent not in known.members:
                continue
            won, constants = fmean(match.returns.values()), (p.beta, p.tau, p.draw_probability)
            mine, theirs = known.present, known.members[match.opponent]
            if won < 0:
                theirs, mine = rated(theirs, mine, *constants)
            else:
                mine, theirs = rated(mine, theirs, *constants, drawn=won == 0)
            known.present, known.members[match.opponent] = mine, theirs

    def members(self, policy: str) -> list[int]:
        return list(self._known[policy].members)

    def most_members(self, policy: str, steps: int) -> int:
        return min(self.params.size, 1 + steps // self.params.every)

    def step_ended(self, policy: str, version: int) -> None:
        if version % self.params.every:
            return
        known = self._known[policy]
        if len(known.members) == self.params.size:
            del known.members[min(known.members, key=lambda member: (self._quality(policy, member), member))]
        known.members[version] = known.present
        grown = min(self.params.growth * known.present.sigma, self.params.sigma)
        known.present = Rating(known.present.mu, grown)

    def state_dict(self) -> dict[str, Any]:
        return {
            policy: {
                "present": list(astuple(known.present)),
                "members": [[version, *astuple(rating)] for version, rating in known.members.items()],
            }
            for policy, known in self._known.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._known.clear()
        for policy, saved in state.items():
            members = {int(version): Rating(mu, sigma) for version, mu, sigma in saved["members"]}
            self._known[policy] = _Rated(Rating(*saved["present"]), members)
