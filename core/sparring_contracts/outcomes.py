"""How a match ended, held against what its game declares."""

from __future__ import annotations

from typing import get_args

from sparring.game import GameInfo, Kind, Outcome

TOLERANCE = 1e-9  # of returns, which are sums of a few floats


def fault(info: GameInfo, outcome: Outcome) -> str:
    """What of the outcome of a match is not as its game declares; empty if all is."""
    returns, (low, high) = outcome.returns, info.bounds
    if not len(returns) == len(outcome.kinds) == info.players:
        return f"the outcome is not of {info.players} players: {outcome}"
    if not all(low - TOLERANCE <= value <= high + TOLERANCE for value in returns):
        return f"returns {returns} are not within bounds {info.bounds}"
    if not set(outcome.kinds) <= set(get_args(Kind)):
        return f"unknown kinds of outcome: {outcome.kinds}"
    total = {"zero": 0.0, "constant": info.total}.get(info.utility)
    if total is not None and abs(sum(returns) - total) > TOLERANCE:
        return f"returns {returns} do not sum to {total:g}"
    if info.utility == "identical" and max(returns) - min(returns) > TOLERANCE:
        return f"returns {returns} are declared identical"
    return ""
