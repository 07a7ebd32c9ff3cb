"""The opponent is one past version: the policy as it was a while ago, or as it was when training began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from sparring import Chance, Params
from sparring_opponents.seats import SEAT, Seat, opposite


class DelayedParams(Params):
    every: int | None = Field(
        50, ge=1, description="Steps after which the opponent becomes the policy as it then is; None: never, it stays."
    )
    seat: Seat = Field("random", description=SEAT)


class Delayed:
    """A past version of the policy, replaced every so many steps. It begins as the policy before training.

    One copy of the weights is kept. An opponent that holds still for a while is something to learn a best response to, which
    an opponent that moves with every step is not.
    """

    def __init__(self, params: DelayedParams) -> None:
        self.params = params
        self._member: defaultdict[str, int] = defaultdict(int)  # by policy

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        return opposite(self._member[policy], roles, self.params.seat, chance)

    def members(self, policy: str) -> list[int]:
        return [self._member[policy]]

    def most_members(self, policy: str, steps: int) -> int:
        return 1

    def step_ended(self, policy: str, version: int) -> None:
        if self.params.every is not None and version % self.params.every == 0:
            self._member[policy] = version

    def state_dict(self) -> dict[str, Any]:
        return {"member": dict(self._member)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._member = defaultdict(int, state["member"])
