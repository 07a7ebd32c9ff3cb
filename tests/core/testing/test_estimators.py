"""A sound estimator passes, and each way of breaking it is caught."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from sparring import AdvantageEstimator, SparringError, Trajectory
from sparring.plugins import load_plugins
from sparring.testing import CheckFailed, check_estimator, make, trajectory

Batch = Sequence[Trajectory]


class Centred:
    """Return minus the step's mean."""

    def estimate(self, trajectories: Batch) -> list[list[float]]:
        mean = math.fsum(t.total for t in trajectories) / len(trajectories)
        return [[t.total - mean] * len(t.turns) for t in trajectories]


class Forgetful(Centred):
    """Return minus a moving average of all returns, that no checkpoint has."""

    def __init__(self) -> None:
        self.mean = 0.0

    def estimate(self, trajectories: Batch) -> list[list[float]]:
        found = []
        for t in trajectories:
            self.mean = 0.9 * self.mean + 0.1 * t.total
            found.append([t.total - self.mean] * len(t.turns))
        return found


class Moving(Forgetful):
    """The same with memory."""

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean = float(state["mean"])


class NeedsTwo(Centred):
    """Refuses what it cannot do."""

    def estimate(self, trajectories: Batch) -> list[list[float]]:
        if len(trajectories) < 2:
            raise SparringError("compares trajectories; one alone has nothing to be compared with")
        return super().estimate(trajectories)


@pytest.mark.parametrize("estimator", [Centred(), Moving(), NeedsTwo()], ids=lambda e: type(e).__name__)
def test_a_sound_estimator_passes(estimator: AdvantageEstimator) -> None:
    check_estimator(estimator, zero_if_equal=not isinstance(estimator, Moving))


#: What the kit's trajectories are not enough for; their own tests check these.
ELSEWHERE = {"population_entropy": "asks policies about answers", "stage_switch": "knows only turns with a stage"}


@pytest.mark.parametrize("name", sorted({*load_plugins().registry.names("estimator")} - ELSEWHERE.keys()))
def test_bundled_estimators_pass(name: str) -> None:
    check_estimator(make("estimator", name))


def test_trajectories_may_be_given() -> None:
    class ByTask(Centred):
        def estimate(self, trajectories: Batch) -> list[list[float]]:
            assert all("task" in t.labels for t in trajectories)
            return super().estimate(trajectories)

    steps = [[trajectory([n, m], task=m) for m in range(4)] for n in range(3)]
    check_estimator(ByTask(), batches=steps)
    with pytest.raises(CheckFailed, match="AssertionError"):
        check_estimator(ByTask())
    with pytest.raises(CheckFailed, match="is given 1 steps"):
        check_estimator(ByTask(), batches=steps[:1])


# ---- faults ----------------------------------------------------------------------------------------------------------


class OneEach(Centred):
    def estimate(self, trajectories: Batch) -> list[list[float]]:
        return [advantages[:1] for advantages in super().estimate(trajectories)]


class Flat(Centred):
    def estimate(self, trajectories: Batch) -> Any:
        return [advantages[0] for advantages in super().estimate(trajectories)]


class SkipsLosers(Centred):
    def estimate(self, trajectories: Batch) -> list[list[float]]:
        return [advantages for advantages in super().estimate(trajectories) if advantages[0] > 0]


class Divides(Centred):
    def estimate(self, trajectories: Batch) -> list[list[float]]:
        found = super().estimate(trajectories)
        std = math.sqrt(sum(a[0] ** 2 for a in found) / len(found))
        return [[a / std for a in advantages] for advantages in found]


class DividesByZero(Centred):
    def estimate(self, trajectories: Batch) -> list[list[float]]:
        found = super().estimate(trajectories)
        std = math.sqrt(sum(a[0] ** 2 for a in found) / len(found))
        return [[a / std if std else math.nan for a in advantages] for advantages in found]


class FirstWins(Centred):
    def estimate(self, trajectories: Batch) -> list[list[float]]:
        return [[t.total - trajectories[0].total] * len(t.turns) for t in trajectories]


class Edits(Centred):
    def estimate(self, trajectories: Batch) -> list[list[float]]:
        for t in trajectories:
            t.turns[0].reward -= 0.1
        return super().estimate(trajectories)


class Rounds(Moving):
    def state_dict(self) -> dict[str, Any]:
        return {"mean": round(self.mean)}


class TupleKeys(Moving):
    def state_dict(self) -> dict[Any, Any]:
        return {("mean", 0): self.mean}


FAULTS: list[tuple[AdvantageEstimator, dict[str, Any], str]] = [
    (OneEach(), {}, r"gives \[.*\] to the [23] turns of player_. of episode"),
    (Flat(), {}, "to the . turns of player_0 of episode 0"),
    (SkipsLosers(), {}, "is given 32 trajectories and returns"),
    (Divides(), {}, "ZeroDivisionError"),
    (DividesByZero(), {}, "not all of it finite numbers, to player_0"),
    (FirstWins(), {}, "in another order, it estimates otherwise"),
    (Moving(), {"in_order": False}, "in another order, it estimates otherwise"),
    (Edits(), {}, "changes the trajectories"),
    (Forgetful(), {"in_order": True}, "has no state_dict"),
    (Rounds(), {}, "does not go on from its state_dict|its state is"),
    (TupleKeys(), {}, "is not JSON"),
    (Moving(), {"zero_if_equal": True}, r"all rewards are equal, yet it gives \[.*\] to player_0 of episode 0"),
]


@pytest.mark.parametrize(("estimator", "options", "message"), FAULTS, ids=[type(e).__name__ for e, _, _ in FAULTS])
def test_a_broken_estimator_is_caught(estimator: AdvantageEstimator, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckFailed, match=message) as caught:
        check_estimator(estimator, seed=2, **options)
    assert str(caught.value).startswith(f"{type(estimator).__name__}, seed 2: ")
