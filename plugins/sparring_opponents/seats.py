"""Which seat learns: what every sampler of past versions has to decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sparring import Chance

Seat = Literal["random", "first", "last"]
SEAT = "Which seat the learning policy takes."


def opposite(opponent: int | None, roles: Sequence[str], seat: Seat, chance: Chance) -> dict[str, int | None]:
    """The policy as it is now on one seat, ``opponent`` on all others."""
    mine = {"first": roles[0], "last": roles[-1]}.get(seat) or chance.pick(roles)
    return {role: None if role == mine else opponent for role in roles}
