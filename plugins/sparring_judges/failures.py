"""What becomes of an item that a judge cannot judge: declared in the recipe, counted, bounded. Never a number made up in silence.

A judge that fails on an item says so in its verdict: `FAILED` asks the scheme to give the episode up, `NEUTRAL` to take the
item as undecided. Both carry no values but those the recipe declares for it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparring import Verdict
from sparring_endpoint import FailureBound, FailureCount

FAILED, NEUTRAL = "failed", "neutral"


class FailureParams(FailureBound):
    on_failure: Literal["fail_episode", "neutral"] = Field(
        "fail_episode",
        description="What becomes of an item that cannot be judged: its episode fails, within train.failure_budget, or the "
        "verdict is neutral: a tie for schemes that have ties. Either way it is counted.",
    )


class Failures(FailureCount):
    """Counts items that could not be judged, and gives their verdicts. `state_dict` is for the judge's own."""

    def __init__(self, params: FailureParams, judge: str) -> None:
        super().__init__(params, f"{judge} could not judge")
        self._params = params

    def verdict(self, why: str, values: tuple[float, ...] = ()) -> Verdict:
        """The verdict of an item that cannot be judged because of ``why``; ``values`` if it is to be neutral.

        Raises `SparringError` if that has been so too often.
        """
        self.failed(why)
        if self._params.on_failure == "neutral":
            return Verdict(values, NEUTRAL, {"failed": 1.0})
        return Verdict((), FAILED, {"failed": 1.0})
