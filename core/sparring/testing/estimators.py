"""Whether an advantage estimator keeps its contract."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from sparring.chance import Chance, SeededChance
from sparring.errors import SparringError
from sparring.interfaces import AdvantageEstimator, Stateful
from sparring.records import Trajectory
from sparring.testing.fakes import trajectory
from sparring.testing.memory import check_memory, copied
from sparring.testing.report import Reporter, another_order, shown

_TOLERANCE = 1e-9  # relative: a sum in another order
_GROUP = 4  # episodes from the same start

Batch = Sequence[Trajectory]


def check_estimator(
    estimator: AdvantageEstimator,
    *,
    batches: Sequence[Batch] | None = None,
    in_order: bool | None = None,
    zero_if_equal: bool = False,
    seed: int = 0,
) -> None:
    """Have an estimator estimate random steps, and check what `AdvantageEstimator` promises.

    - One finite advantage for each turn of each trajectory, also of one trajectory alone, of equal rewards and of very
      large ones (what it cannot do it may refuse with a `SparringError`). Trajectories are not changed.
    - The same step gives the same advantages, whatever was estimated before. One with ``state_dict`` goes on as it would
      have had it not been saved and loaded.
    - In another order each trajectory has the same advantages. ``in_order=True`` says that order matters, as it does for
      a moving average; None: if the estimator has memory.
    - With ``zero_if_equal``, a step in which all rewards are equal has advantages of zero.

    ``batches`` are three steps or more to use, if its key needs labels beside game, role, start and entry. Raises
    `CheckFailed`.
    """
    if in_order is None:
        in_order = isinstance(estimator, Stateful)
    _Check(estimator, batches, in_order, zero_if_equal, seed).run()


class _Check:
    def __init__(
        self, estimator: AdvantageEstimator, batches: Sequence[Batch] | None, in_order: bool, zero: bool, seed: int
    ) -> None:
        self.estimator, self.in_order, self.zero, self.seed = estimator, in_order, zero, seed
        self.report = Reporter(estimator, seed)
        self.chance = SeededChance("check_estimator", seed)
        self.batches = [_random_step(self.chance) for _ in range(3)] if batches is None else list(batches)

    def run(self) -> None:
        self.report.require(len(self.batches) > 1, f"is given {len(self.batches)} steps; state needs several to show")
        first = self.batches[0]
        before = repr(first)
        advantages = self.estimate(self.fresh(), first)
        self.report.require(repr(first) == before, "changes the trajectories that it is given")
        again = self.estimate(self.fresh(), first)
        self._same(again, advantages, "given the same step twice, it estimates otherwise", first)
        if not self.in_order:
            order = another_order(len(first), "check_estimator", self.seed)
            moved = self.estimate(self.fresh(), [first[i] for i in order])
            what = "given the same trajectories in another order, it estimates otherwise (if it should: in_order=True)"
            self._same(moved, [advantages[i] for i in order], what, [first[i] for i in order])
        check_memory(self.estimator, self.estimate, self.batches, self.report)
        for name, batch in self._edges(first):
            try:
                found = self.estimate(self.fresh(), batch)
            except SparringError:
                continue
            if name == "equal" and self.zero:
                wrong = [(t, a) for t, a in zip(batch, found, strict=True) if any(a)]
                if wrong:
                    self.report.fail(f"all rewards are equal, yet it gives {wrong[0][1]} to {_told(wrong[0][0])}")

    def fresh(self) -> AdvantageEstimator:
        return copied(self.estimator, self.report)

    def _edges(self, batch: Batch) -> list[tuple[str, Batch]]:
        return [
            ("alone", batch[:1]),
            ("equal", _rewarded(batch, [0.5] * len(batch))),
            ("zero", _rewarded(batch, [0.0] * len(batch))),
            ("large", _rewarded(batch, [1e8 * self.chance.pick([-1, 1]) for _ in batch])),
        ]

    def estimate(self, estimator: AdvantageEstimator, batch: Batch) -> list[list[float]]:
        try:
            found = estimator.estimate(batch)
        except SparringError:
            raise
        except Exception as error:  # a plugin may raise anything
            self.report.fail(f"raises {error!r} on the {len(batch)} trajectories {shown([*map(_told, batch)])}", error)
            raise
        self.report.require(
            isinstance(found, Sequence) and len(found) == len(batch),
            f"is given {len(batch)} trajectories and returns {shown(found)}",
        )
        for one, advantages in zip(batch, found, strict=True):
            self.report.require(
                isinstance(advantages, Sequence) and len(advantages) == len(one.turns),
                f"gives {shown(advantages)} to the {len(one.turns)} turns of {_told(one)}",
            )
            self.report.require(
                all(isinstance(a, (int, float)) and math.isfinite(a) for a in advantages),
                f"gives {shown(advantages)}, not all of it finite numbers, to {_told(one)}",
            )
        return [list(advantages) for advantages in found]

    def _same(self, found: list[list[float]], expected: list[list[float]], what: str, batch: Batch) -> None:
        for one, ours, theirs in zip(batch, found, expected, strict=True):
            same = all(
                math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE) for a, b in zip(ours, theirs, strict=True)
            )
            self.report.require(same, f"{what}: {ours} instead of {theirs} to {_told(one)}")


def _random_step(chance: Chance) -> list[Trajectory]:
    """Two roles in four groups of four episodes, two groups of either game, one to three turns each."""
    found = []
    for episode in range(4 * _GROUP):
        start = episode // _GROUP
        labels: dict[str, Any] = {"game": f"game_{start % 2}", "start": start, "entry": start % 2}
        for role in ("player_0", "player_1"):
            rewards = [chance.pick(range(-8, 9)) / 4 for _ in range(chance.pick([1, 2, 3]))]
            found.append(trajectory(rewards, role, episode=episode, tokens=chance.pick([1, 2, 5]), **labels))
    return found


def _rewarded(batch: Batch, rewards: Sequence[float]) -> list[Trajectory]:
    """The same trajectories, each with its reward on its last turn."""
    copies = copy.deepcopy(list(batch))
    for one, reward in zip(copies, rewards, strict=True):
        for turn in one.turns:
            turn.reward, turn.rewards = 0.0, {"reward": 0.0}
        one.turns[-1].reward, one.turns[-1].rewards = reward, {"reward": reward}
    return copies


def _told(one: Trajectory) -> str:
    return f"{one.role} of episode {one.episode} with rewards {[turn.reward for turn in one.turns]}"
