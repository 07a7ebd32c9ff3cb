"""The opponent is the policy as it is now: every seat is trained."""

from __future__ import annotations

from collections.abc import Sequence

from sparring import Chance, Params


class CurrentParams(Params):
    pass


class Current:
    """The policy plays itself as it is now."""

    def __init__(self, params: CurrentParams) -> None:
        pass

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> dict[str, int | None]:
        return dict.fromkeys(roles)

    def members(self, policy: str) -> list[int]:
        return []

    def step_ended(self, policy: str, version: int) -> None:
        pass
