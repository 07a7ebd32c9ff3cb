"""The estimator `three_stage`: rewards become advantages in three places, at a match's end, at each turn and in the batch.

UnstableBaselines (`LeonGuertler/UnstableBaselines` at 11f37be) composes its rewards of transforms of three stages:

- *final*: of a match's return, less a baseline for each game and role, ``b <- (1 - tau) b + tau R`` with ``b = 0`` at first,
  updated before it is subtracted. Its tau is 0.001: a memory of a thousand matches.
- *step*: added to every turn, for the answer's format and for whether its move was legal. It comes after the baseline.
- *sampling*: over the turns of a batch, game by game: ``(x - mean) / std``, the population's.

Here the first is any estimator, the second are named reward parts that do not count in the return (``rewards.parts`` of the recipe
says which do), and the third is whitening. A batch whose values are all equal gets 0; the repository divides 0 by 0 there, as it
adds its epsilon to the quotient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sparring import AdvantageEstimator, Choice, SparringError, Trajectory, component
from sparring.interfaces import Stateful
from sparring.sections import as_written
from sparring_estimators.reinforce_pp import WhiteningParams, whitened

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class ThreeStageParams(WhiteningParams):
    final: Annotated[Choice[AdvantageEstimator], component("estimator")] = Field(
        as_written({"use": "role_conditioned", "decay": 0.999}), description="What is made of the returns of matches."
    )
    step: list[str] = Field(
        [], description="Reward parts that each turn is given besides; they must not count in the return."
    )
    key: list[str] = Field(["game"], description="Labels whose equality makes a batch to whiten; [] takes all.")
    eps: float = Field(0.0, ge=0, description="Keeps a small deviation from making large advantages; 0: nothing does.")
    count: Literal["tokens", "turns"] = Field(
        "turns", description="What a turn counts for in mean and deviation: its trained tokens, or one."
    )

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        found = []
        for entry in recipe.play:
            if (entry.advantage or recipe.advantage).params != self:
                continue
            counted = (entry.rewards or recipe.rewards).parts
            twice = [part for part in self.step if counted is None or part in counted]
            if twice:
                text = (
                    f"{', '.join(twice)} would count twice in entry '{entry.title}': at the turn and in the return; list the parts that "
                    "make the return in rewards.parts, for example {parts: [outcome]}"
                )
                found.append(("step", text))
        return found


class ThreeStage:
    """A baseline for returns, rewards for every turn on top, and whitening of both by game (UnstableBaselines)."""

    def __init__(self, params: ThreeStageParams) -> None:
        self.params = params
        self._final = params.final.make()

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        self._check_parts(trajectories)
        values = [
            [value + sum(turn.rewards.get(part, 0.0) for part in self.params.step) for value, turn in zip(found, t.turns, strict=True)]
            for found, t in zip(self._final.estimate(trajectories), trajectories, strict=True)
        ]  # fmt: skip
        return whitened(trajectories, values, self.params.key, self.params)

    def _check_parts(self, trajectories: Sequence[Trajectory]) -> None:
        given = {part for trajectory in trajectories for turn in trajectory.turns for part in turn.rewards}
        missing = [part for part in self.params.step if part not in given]
        if trajectories and missing:
            raise SparringError(
                f"three_stage adds the reward parts {', '.join(self.params.step)} to turns, but no turn of this step has {', '.join(missing)} "
                f"(there are: {', '.join(sorted(given)) or 'none'}); turn_based gives one for each judge in its turn_judges"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"final": self._final.state_dict()} if isinstance(self._final, Stateful) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if isinstance(self._final, Stateful):
            self._final.load_state_dict(state["final"])
