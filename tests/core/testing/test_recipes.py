"""A recipe is validated, its smoke block run, and what it measures checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sparring import AdvantageEstimator, Judge, Objective, Params, RecipeError, Register, Trajectory, Verdict, hookimpl
from sparring.batch import ObjectiveBatch
from sparring.errors import EpisodeError
from sparring.testing import CheckFailed, check_recipe

RECIPE = """\
format: 1
policies: {main: {model: tiny}}
play: [{game: kuhn_poker}]
judges: {outcome: JUDGE}
advantage: ESTIMATOR
objective: OBJECTIVE
sampling: {max_tokens: 4}
train: {steps: 20, threads: 1, failure_budget: 100}
smoke:
  policies.main.model: {use: tiny, hidden: 32, heads: 1, kv_heads: 1, layers: 1, warmup_steps: 2, warmup_examples: 32}
  batch.size: 4
  train.steps: 3
"""


class NoParams(Params):
    pass


class Countdown:
    """Each step is worth less than the one before, and no checkpoint knows."""

    def __init__(self, params: NoParams) -> None:
        self.worth = 1.0

    def estimate(self, trajectories: Sequence[Trajectory]) -> list[list[float]]:
        self.worth /= 2
        return [[self.worth * t.total] * len(t.turns) for t in trajectories]


class Fails:
    """Has no answer to an illegal move."""

    def __init__(self, params: NoParams) -> None:
        pass

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        if any(item["outcome"].offender is not None for item in items):
            raise RuntimeError("no judgement today")
        return [Verdict(item["outcome"].returns) for item in items]


class Chatty:
    """Reports a metric that nobody declared."""

    needs_reference: Any = "no"

    def __init__(self, params: NoParams) -> None:
        pass

    def __call__(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return batch.reduce(-batch.advantages * batch.logprobs, "token_mean"), {
            "chatter": batch.logprobs.detach().sum()
        }


class OddParts:
    """The plugin."""

    @hookimpl
    def sparring_register_judges(self, register: Register[Judge]) -> None:
        register("fails", Fails, NoParams)

    @hookimpl
    def sparring_register_advantage_estimators(self, register: Register[AdvantageEstimator]) -> None:
        register("countdown", Countdown, NoParams)

    @hookimpl
    def sparring_register_objectives(self, register: Register[Objective]) -> None:
        register("chatty", Chatty, NoParams)


PLUGIN = OddParts()
DEFAULTS = {"judge": "outcome", "estimator": "role_conditioned", "objective": "policy_gradient"}


def written(folder: Path, **parts: str) -> Path:
    text = RECIPE
    for name, part in {**DEFAULTS, **parts}.items():
        text = text.replace(name.upper(), part)
    path = folder / "toy.yaml"
    path.write_text(text)
    return path


def test_a_sound_recipe_passes_and_is_measured(tmp_path: Path) -> None:
    metrics = check_recipe(written(tmp_path), resume=True, modules=[PLUGIN])
    assert metrics["step"] == 3
    assert "loss/main" in metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.yaml"]


def test_what_is_wrong_in_a_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no estimator named 'role_condition'; did you mean"):
        check_recipe(written(tmp_path, estimator="role_condition"))
    path = written(tmp_path)
    path.write_text(path.read_text().split("smoke:")[0])
    with pytest.raises(RecipeError, match="this recipe has no smoke block"):
        check_recipe(path)


def test_memory_that_is_not_saved_is_caught(tmp_path: Path) -> None:
    path = written(tmp_path, estimator="countdown")
    check_recipe(path, modules=[PLUGIN])
    with pytest.raises(CheckFailed, match=r"recipe .*toy.yaml: resumed after step 1, step 2 has other values of"):
        check_recipe(path, modules=[PLUGIN], resume=True)


def test_failing_episodes_are_caught(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"\d+ episodes failed"):
        check_recipe(written(tmp_path, judge="fails"), modules=[PLUGIN])
    with pytest.raises(EpisodeError, match="no judgement today"):
        check_recipe(written(tmp_path, judge="fails"), modules=[PLUGIN], sets=["train.failure_budget=0"])


def test_undeclared_metrics_are_caught(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="nobody declares the metrics chatter/main"):
        check_recipe(written(tmp_path, objective="chatty"), modules=[PLUGIN])


def test_a_plugin_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(CheckFailed, match="the plugin broken could not be loaded: ZeroDivisionError"):
        check_recipe(written(tmp_path), files=[broken])
