"""What is known of TextArena's games by having played them (0.7.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one game. The defaults are what may be said of a game that nobody has looked at."""

    draws: bool = True  # anything at random
    open: bool = False  # nothing is hidden
    lists: bool = True  # whether a list of moves that it prints is the list of legal moves
    zero_sum: bool = False
    least: float = -1.0  # lowest and highest reward
    most: float = 1.0


def facts_of(name: str) -> Facts:
    return Facts()


KNOWN_BAD: dict[str, str] = {}
