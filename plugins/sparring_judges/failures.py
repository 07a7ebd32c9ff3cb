"""What becomes of an item that a judge cannot judge: declared in the recipe, counted, bounded. Never a number made up in silence.

A judge that fails on an item says so in its verdict: `FAILED` asks the scheme to give the episode up, `NEUTRAL` to take the
item as undecided. Both carry no values but those the recipe declares for it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

from pydantic import Field, model_validator

from sparring import Params, SparringError, Verdict

FAILED, NEUTRAL = "failed", "neutral"


class FailureParams(Params):
    on_failure: Literal["fail_episode", "neutral"] = Field(
        "fail_episode",
        description="What becomes of an item that cannot be judged: its episode fails, within train.failure_budget, or the "
        "verdict is neutral: a tie for schemes that have ties. Either way it is counted.",
    )
    max_failures: int = Field(
        20,
        ge=0,
        description="More items than this of the last `window` that cannot be judged make the judge itself fail (ours).",
    )
    window: int = Field(100, ge=1, description="How many of the last items max_failures counts in (ours).")

    @model_validator(mode="after")
    def _reachable(self) -> FailureParams:
        if self.max_failures >= self.window:
            raise ValueError(
                f"'max_failures' of {self.max_failures} in a 'window' of {self.window} items can never be passed; make it smaller"
            )
        return self


class Failures:
    """Counts items that could not be judged, and gives their verdicts. `state_dict` is for the judge's own."""

    def __init__(self, params: FailureParams, judge: str) -> None:
        self._params, self._judge = params, judge
        self.total = 0
        self._recent: deque[bool] = deque(maxlen=params.window)

    def judged(self) -> None:
        self._recent.append(False)

    def failed(self, why: str, values: tuple[float, ...] = ()) -> Verdict:
        """The verdict of an item that cannot be judged because of ``why``; ``values`` if it is to be neutral.

        Raises `SparringError` if that has been so too often.
        """
        self.total += 1
        self._recent.append(True)
        if sum(self._recent) > self._params.max_failures:
            raise SparringError(
                f"{self._judge} could not judge {sum(self._recent)} of its last {len(self._recent)} items, more than max_failures "
                f"({self._params.max_failures}); the last because {why}"
            )
        if self._params.on_failure == "neutral":
            return Verdict(values, NEUTRAL, {"failed": 1.0})
        return Verdict((), FAILED, {"failed": 1.0})

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "recent": list(self._recent)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = int(state["total"])
        self._recent = deque(map(bool, state["recent"]), maxlen=self._params.window)
