"""How often something outside may fail before it has failed altogether: bounded in the recipe, never passed over in silence."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any

from pydantic import Field, model_validator

from sparring import Params, SparringError


class FailureBound(Params):
    max_failures: int = Field(
        20, ge=0, description="More failures than this among the last `window` items stop the run (ours)."
    )
    window: int = Field(100, ge=1, description="How many of the last items max_failures counts in (ours).")

    @model_validator(mode="after")
    def _reachable(self) -> FailureBound:
        if self.max_failures >= self.window:
            raise ValueError(
                f"'max_failures' of {self.max_failures} in a 'window' of {self.window} items can never be passed; make it smaller"
            )
        return self


class FailureCount:
    """Counts what worked and what failed, from any thread. ``what`` begins its error: "the judge 'x' could not judge"."""

    def __init__(self, bound: FailureBound, what: str) -> None:
        self._bound, self._what = bound, what
        self.total = 0
        self._recent: deque[bool] = deque(maxlen=bound.window)
        self._lock = Lock()

    def worked(self) -> None:
        with self._lock:
            self._recent.append(False)

    def failed(self, why: str) -> None:
        """Count a failure because of ``why``. Raises `SparringError` if there were too many."""
        with self._lock:
            self.total += 1
            self._recent.append(True)
            failed, items = sum(self._recent), len(self._recent)
        if failed > self._bound.max_failures:
            raise SparringError(
                f"{self._what} {failed} of its last {items} items, more than max_failures "
                f"({self._bound.max_failures}); the last because {why}"
            )

    def state_dict(self) -> dict[str, Any]:
        with self._lock:  # calls of a play that was broken off may still come back
            return {"total": self.total, "recent": list(self._recent)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = int(state["total"])
        self._recent = deque(map(bool, state["recent"]), maxlen=self._bound.window)
