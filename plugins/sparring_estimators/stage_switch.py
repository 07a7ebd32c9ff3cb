"""The estimator `stage_switch`: two stages of a match by two estimators, one of them trained at a time, switched by thresholds.

Vision-Zero's Iterative-SPO (arXiv:2509.25541, section 3 and algorithm 1): the game alternates between learning to give clues, by
self-play, and learning to decide, by verified rewards, because clues alone stall at an equilibrium and decisions alone saturate.
Two moving averages over steps, of the share of right decisions and of abstentions, ``m <- rho m + (1 - rho) x``, say when:

- from deciding to clues once ``accuracy >= easy_accuracy`` and ``abstained <= easy_abstained``: the game has become too easy;
- back once ``1 - accuracy >= hard_error`` or ``abstained >= hard_abstained``;
- never before ``least_steps`` steps in a stage.

Both averages begin at 0, so that in the paper's form perfect play takes 45 steps to bring the accuracy to 0.9;
``bias_correct`` divides by ``1 - rho^n``, as Adam does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from sparring import AdvantageEstimator, Choice, Params, SparringError, Trajectory, component


class StageSwitchParams(Params):
    self_play: Annotated[Choice[AdvantageEstimator], component("estimator")] = Field(
        description="The estimator of the stage that is self-play, such as clues."
    )
    verified: Annotated[Choice[AdvantageEstimator], component("estimator")] = Field(
        description="The estimator of the stage whose rewards are verified, such as decisions."
    )
    self_play_stage: str = Field("clue", description="The label `stage` of the one.")
    verified_stage: str = Field("decision", description="The label `stage` of the other; training begins with it.")
    right: float = Field(1.0, description="What a right decision pays.")
    abstained: float = Field(-0.5, description="What an abstention pays.")
    decay: float = Field(0.95, ge=0, lt=1, description="Weight of the past in the averages over steps (rho).")
    bias_correct: bool = Field(False, description="Correct the averages for having begun at 0.")
    easy_accuracy: float = Field(0.9, ge=0, le=1, description="Right decisions at which clues are trained...")
    easy_abstained: float = Field(0.1, ge=0, le=1, description="...if no more than these abstain.")
    hard_error: float = Field(0.4, ge=0, le=1, description="Decisions not right at which deciding is trained again.")
    hard_abstained: float = Field(0.5, ge=0, le=1, description="Abstentions at which it is, whatever the errors.")
    least_steps: int = Field(5, ge=1, description="Steps in a stage before it may be left.")


class StageSwitch:
    """One of two stages at a time, each by its own estimator, switched by accuracy and abstention (Vision-Zero)."""

    def __init__(self, params: StageSwitchParams) -> None:
        self.params = params
        self.inner: dict[str, AdvantageEstimator] = {
            params.self_play_stage: params.self_play.make(),
            params.verified_stage: params.verified.make(),
        }
        self.stage = params.verified_stage
        self.accuracy = self.abstained = 0.0
        self.steps = 0  # with decisions, since the beginning
        self.steps_here = 0  # in this stage

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        stages = [self._stage_of(trajectory) for trajectory in trajectories]
        self._watch(
            [t.total for t, stage in zip(trajectories, stages, strict=True) if stage == self.params.verified_stage]
        )
        mine = [number for number, stage in enumerate(stages) if stage == self.stage]
        advantages = [[0.0] * len(trajectory.turns) for trajectory in trajectories]
        found = self.inner[self.stage].estimate([trajectories[number] for number in mine])
        for number, values in zip(mine, found, strict=True):
            advantages[number] = list(values)
        return advantages

    def _stage_of(self, trajectory: Trajectory) -> str:
        stage = trajectory.labels.get("stage")
        if stage not in self.inner:
            raise SparringError(
                f"stage_switch knows the stages {', '.join(self.inner)}; role {trajectory.role!r} in episode {trajectory.episode} has "
                f"{'none' if stage is None else repr(stage)}. The scheme `staged` labels the turns of games that have stages"
            )
        return str(stage)

    def _watch(self, decisions: Sequence[float]) -> None:
        """Take a step's decisions into the averages, and switch if it is time."""
        self.steps_here += 1
        if not decisions:
            return
        p = self.params
        self.steps += 1
        right = sum(value >= p.right for value in decisions) / len(decisions)
        abstained = sum(value == p.abstained for value in decisions) / len(decisions)
        self.accuracy = p.decay * self.accuracy + (1 - p.decay) * right
        self.abstained = p.decay * self.abstained + (1 - p.decay) * abstained
        if self.steps_here <= p.least_steps:
            return
        seen = 1 - p.decay**self.steps if p.bias_correct else 1.0
        accuracy, abstained = self.accuracy / seen, self.abstained / seen
        if self.stage == p.verified_stage:
            switch = accuracy >= p.easy_accuracy and abstained <= p.easy_abstained
        else:
            switch = 1 - accuracy >= p.hard_error or abstained >= p.hard_abstained
        if switch:
            self.stage = p.self_play_stage if self.stage == p.verified_stage else p.verified_stage
            self.steps_here = 1

    def state_dict(self) -> dict[str, Any]:
        own = ("stage", "accuracy", "abstained", "steps", "steps_here")
        inner = {stage: made.state_dict() for stage, made in self.inner.items() if hasattr(made, "state_dict")}
        return {**{name: getattr(self, name) for name in own}, "inner": inner}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if name != "inner":
                setattr(self, name, value)
        for stage, inner in state["inner"].items():
            self.inner[stage].load_state_dict(inner)  # type: ignore[attr-defined]
