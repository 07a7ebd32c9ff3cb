"""Opponents drawn evenly from past versions of the policy: fictitious self-play.

SPIRAL's later port keeps 25 versions, adds one every 5 updates, and draws evenly, the present one included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from sparring import Chance, Params
from sparring_opponents.seats import SEAT, Seat, opposite


class UniformPoolParams(Params):
    size: int = Field(25, ge=1, description="Most versions kept; the oldest leaves first.")
    every: int = Field(5, ge=1, description="Steps between versions that are added.")
    include_current: bool = Field(True, description="Whether the policy as it is now is one of those drawn from.")
    seat: Seat = Field("random", description=SEAT)


class UniformPool:
    """Past versions of the policy, drawn evenly."""

    def __init__(self, params: UniformPoolParams) -> None:
        self.params = params
        self._members: defaultdict[str, list[int]] = defaultdict(list)  # by policy

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        choices: list[int | None] = [*self._members[policy]]
        if self.params.include_current or not choices:
            choices.append(None)
        return opposite(chance.pick(choices), roles, self.params.seat, chance)

    def members(self, policy: str) -> list[int]:
        return list(self._members[policy])

    def most_members(self, policy: str, steps: int) -> int:
        return min(self.params.size, steps // self.params.every)

    def step_ended(self, policy: str, version: int) -> None:
        if version % self.params.every == 0:
            self._members[policy] = [*self._members[policy], version][-self.params.size :]

    def state_dict(self) -> dict[str, Any]:
        return {"members": {policy: list(versions) for policy, versions in self._members.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._members = defaultdict(list, {policy: list(kept) for policy, kept in state["members"].items()})
