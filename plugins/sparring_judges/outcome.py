"""The judge `outcome`: makes rewards of how a match ended.

SPIRAL pays +1, -1 and 0 (Liu et al. 2025, arXiv:2506.24119): ``{mode: result}``. Its repository pays -1.5 to who makes an illegal
move while the other gets +0.5: ``{mode: result, illegal_self: -1.5, illegal_other: 0.5}``. That is not zero-sum. Without those two
a forfeit pays what the game's `Outcome` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from sparring import Outcome, Params, Verdict

_RESULTS = {"win": 1.0, "loss": -1.0}


class OutcomeParams(Params):
    mode: Literal["utility", "result"] = Field(
        "utility", description="utility: the game's own returns; result: +1 for a win, -1 for a loss."
    )
    scale: float = Field(1.0, gt=0, description="Multiplies the game's own returns.")
    illegal_self: float | None = Field(
        None, description="For who ended the match by an illegal move; None: the forfeit's return."
    )
    illegal_other: float | None = Field(None, description="For everybody else then; None: the forfeit's return.")
    draw: float = Field(0.0, description="For a draw, in the mode result.")
    truncated: float = Field(0.0, description="For a match that was cut off.")


class OutcomeJudge:
    """Rewards from how a match ended: the game's returns, or win and loss, with options for illegal moves."""

    def __init__(self, params: OutcomeParams) -> None:
        self.params = params

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``outcome``, an `Outcome`. A verdict has one value per player."""
        return [
            Verdict(tuple(self._value(item["outcome"], p) for p in range(len(item["outcome"].returns))))
            for item in items
        ]

    def _value(self, outcome: Outcome, player: int) -> float:
        kind = outcome.kinds[player]
        if kind == "aborted":
            return 0.0
        if kind == "truncated":
            return self.params.truncated
        if outcome.offender is not None:
            fixed = self.params.illegal_self if player == outcome.offender else self.params.illegal_other
            if fixed is not None:
                return fixed
        if self.params.mode == "utility":
            return self.params.scale * outcome.returns[player]
        if kind == "illegal":
            return -1.0
        return _RESULTS.get(kind, self.params.draw)
