"""How a turn's named reward parts become its reward: a rule the recipe declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Combine = Literal["sum", "max", "gate", "ladder"]


def combine(parts: Mapping[str, float], how: Combine = "sum", names: Sequence[str] | None = None) -> float:
    """The reward of a turn.

    ``names`` say which parts count, in order (None: all that were given); a part that was never given counts as absent.
    ``sum`` adds them; ``max`` takes the largest; ``gate`` adds them up to and including the first that is not positive
    (a format check before an answer check); ``ladder`` takes the first that is not zero. No part at all is 0.
    """
    present = [parts[name] for name in (parts if names is None else names) if name in parts]
    if not present:
        return 0.0
    if how == "max":
        return max(present)
    if how == "ladder":
        return next((value for value in present if value), 0.0)
    total = 0.0
    for value in present:
        total += value
        if how == "gate" and value <= 0:
            break
    return total
