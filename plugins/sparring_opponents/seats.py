"""Which seat learns: what every sampler of opponents has to decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from sparring import Chance

O = TypeVar("O")

Seat = Literal["random", "first", "last"]
SEAT = "Which seat the learning policy takes."


def opposite(opponent: O, roles: Sequence[str], seat: Seat, chance: Chance) -> dict[str, O | None]:
    """The policy as it is now on one seat, ``opponent`` on all others."""
    mine = {"first": roles[0], "last": roles[-1]}.get(seat) or chance.pick(roles)
    return {role: None if role == mine else opponent for role in roles}
