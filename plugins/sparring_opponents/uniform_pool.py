"""Opponents drawn evenly from past versions of the policy: fictitious self-play.

SPIRAL's later port keeps 25 versions, adds one every 5 updates, and draws evenly, the present one included.
"""

from __future__ import annotations

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
        self._members: list[int] = []

    def assign(self, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        choices: list[int | None] = [
            *self._members,
            *([None] if self.params.include_current or not self._members else []),
        ]
        return opposite(chance.pick(choices), roles, self.params.seat, chance)

    def members(self) -> list[int]:
        return list(self._members)

    def step_ended(self, version: int) -> None:
        if version % self.params.every == 0:
            self._members = [*self._members, version][-self.params.size :]

    def state_dict(self) -> dict[str, Any]:
        return {"members": list(self._members)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._members = [int(version) for version in state["members"]]
