"""Past versions drawn by the meta-strategy over their payoffs, one more every so many steps: policy-space response oracles (PSRO).

Lanctot et al. 2017, arXiv:1711.00832, algorithm 1: the next member is an approximate best response to a meta-strategy over those
there are, for instance an equilibrium of the game in which one picks a member to play. Here the policy itself is the response
that is being trained; every so many steps it becomes a member, and goes on from there. `sparring_opponents.members` has the rest.
"""

from __future__ import annotations

from pydantic import Field

from sparring_opponents.members import Members, MembersParams, Population


class PsroParams(MembersParams):
    every: int = Field(
        20, ge=1, description="Steps between members that are added; the first is there before training."
    )


class Psro(Members):
    """Past versions of the policy, drawn by an equilibrium of what they win of each other.

    For zero-sum games: a member wins what the other loses, by the rewards of the learning policy's roles.
    """

    params: PsroParams

    def __init__(self, params: PsroParams) -> None:
        super().__init__(params)

    def due(self, population: Population, version: int) -> bool:
        return version % self.params.every == 0

    def most_members(self, policy: str, steps: int) -> int:
        return min(self.params.size, 1 + steps // self.params.every) if self._populated(policy) else 0
