"""Past versions drawn by how the policy fares against them: prioritised fictitious self-play (PFSP).

Drawn evenly, most opponents are ones that the policy has long outgrown. Here a member's weight is a function of ``w``, the
share of matches that the policy wins against it: ``(1 - w)^power`` prefers those that still beat it, ``w (1 - w)`` those that
are about as strong. The idea is AlphaStar's (Vinyals et al., 2019); the constants are ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

from pydantic import Field

from sparring import Chance, Match, Params
from sparring_opponents.seats import SEAT, Seat, opposite


class PrioritizedParams(Params):
    size: int = Field(16, ge=1, description="Most versions kept; the one the policy beats most often leaves first.")
    every: int = Field(
        10, ge=1, description="Steps between versions that are added; the first is there before training."
    )
    weighting: Literal["hard", "even"] = Field(
        "hard",
        description="hard is (1 - w)^power, even is w (1 - w), with w the share of matches won against a member.",
    )
    power: float = Field(2.0, gt=0, description="Exponent of hard weighting.")
    memory: float = Field(0.95, ge=0, lt=1, description="How much of w a further match leaves; w begins as 1/2.")
    floor: float = Field(
        0.02, gt=0, le=1, description="Least weight, so that every member is met again and w stays true."
    )
    self_play: float = Field(0.5, ge=0, lt=1, description="Share of episodes against the policy as it is now.")
    seat: Seat = Field("random", description=SEAT)


class Prioritized:
    """Past versions of the policy, those that are hard to beat drawn more often.

    A match is won if the rewards of the learning policy's role add up to more than 0, drawn (half a win) at 0; so the rewards
    of an entry should be centred, as those of zero-sum games are.
    """

    def __init__(self, params: PrioritizedParams) -> None:
        self.params = params
        # By policy, the share of matches won against each of its members: what one policy beats, another may not.
        self._won: defaultdict[str, dict[int, float]] = defaultdict(lambda: {0: 0.5})

    def weight(self, won: float) -> float:
        """Of a member against which this share is won."""
        hard = self.params.weighting == "hard"
        return max(self.params.floor, (1 - won) ** self.params.power if hard else won * (1 - won))

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        members = self._won[policy]
        weights = [self.weight(won) for won in members.values()]
        share = (1 - self.params.self_play) / sum(weights)
        opponent = chance.pick([None, *members], [self.params.self_play, *(share * weight for weight in weights)])
        return opposite(opponent, roles, self.params.seat, chance)

    def matches_ended(self, matches: Sequence[Match]) -> None:
        for match in matches:
            total = fmean(match.returns.values())
            score = 0.5 if total == 0 else float(total > 0)
            won = self._won[match.policy]
            if match.opponent in won:
                kept = self.params.memory
                won[match.opponent] = kept * won[match.opponent] + (1 - kept) * score

    def members(self, policy: str) -> list[int]:
        return list(self._won[policy])

    def most_members(self, policy: str, steps: int) -> int:
        return min(self.params.size, 1 + steps // self.params.every)

    def step_ended(self, policy: str, version: int) -> None:
        if version % self.params.every == 0:
            won = self._won[policy]
            if len(won) == self.params.size:
                del won[max(won, key=lambda member: (won[member], -member))]
            won[version] = 0.5

    def state_dict(self) -> dict[str, Any]:
        return {"won": {policy: list(won.items()) for policy, won in self._won.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for policy, won in state["won"].items():
            self._won[policy] = {int(version): float(share) for version, share in won}
