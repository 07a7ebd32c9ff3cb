"""However a run ends, its hook is called once, its folder is free and whole, and going on gives the run that never failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sparring import RunEnded, RunStarted, StepEnded, checkpoint, hookimpl
from sparring.errors import NumericsError
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.run import Run

RECIPE = """
format: 1
policies:
  main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 0}}
play: [{game: {use: kuhn_poker, wording: terse}}]
advantage: role_conditioned
objective: policy_gradient
sampling: {max_tokens: 3}
batch: {size: 8}
train: {steps: 4, threads: 1, learning_rate: 1.0e-3}
evaluate: [{use: nash_conv, game: {use: kuhn_poker, wording: terse}, every: 1}]
checkpoint: {every: 50}
"""


class Plugin:
    """Keeps what it is told, and may raise."""

    def __init__(self, fault: str = "", error: BaseException | None = None) -> None:
        self.fault, self.error = fault, error
        self.ended: list[RunEnded] = []

    def at(self, place: str, step: int) -> None:
        if self.error and place == self.fault and step == 3:
            raise self.error

    @hookimpl
    def sparring_run_started(self, event: RunStarted) -> None:
        self.at("run_started", 3)

    @hookimpl
    def sparring_step_ended(self, event: StepEnded) -> None:
        self.at("step_ended", event.step)

    @hookimpl
    def sparring_run_ended(self, event: RunEnded) -> None:
        self.ended.append(event)


class Closed:
    """A tracker after the recipe's own."""

    def __init__(self, plugin: Plugin) -> None:
        self.plugin, self.closed = plugin, 0

    def open(self, folder: Path, resume_after: int | None) -> None:
        pass

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.plugin.at("tracker", step)

    def close(self) -> None:
        self.closed += 1


def start(folder: Path, plugin: Plugin, *, resume: bool = False) -> Run:
    host = load_plugins()
    host.manager.register(plugin)
    source = RecipeSource("test", RECIPE, "test")
    run = Run(load_recipe(source, host.registry), RECIPE, host, folder, resume=resume)
    run.trackers.append(Closed(plugin))
    return run


def rows(folder: Path) -> list[dict[str, float]]:
    """Metrics without timings."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if "seconds" not in k and k != "framework_share"} for line in lines
    ]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    folder = tmp_path_factory.mktemp("straight") / "run"
    start(folder, Plugin()).train()
    return rows(folder)


def break_at(run: Run, place: str, plugin: Plugin) -> None:
    """Have a component raise in step 3."""
    trainer = run.trainer
    owner: Any
    owner, name = {
        "judge": (trainer.entries[0].judges["outcome"], "judge"),
        "estimator": (trainer.entries[0].estimator, "estimate"),
        "objective": (trainer.learners["main"], "_loss"),
        "evaluator": (trainer.evaluators[0][0], "evaluate"),
        "generator": (trainer.generator, "advance"),
        "publish": (trainer.generator, "publish"),
    }[place]
    whole = getattr(owner, name)

    def broken(*args: Any, **more: Any) -> Any:
        plugin.at(place, trainer.counters.step + (place == "generator"))
        return whole(*args, **more)

    setattr(owner, name, broken)


# Where it fails, and what is saved: the step before, the step itself where its row is written, or the last checkpoint.
PLACES = {
    "run_started": 0, "generator": 2, "estimator": 2, "objective": 2, "publish": 0, "evaluator": 0, "tracker": 0, "step_ended": 3,
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_an_exception_of_a_plugin_ends_the_run_and_loses_as_little_as_can_be(
    straight: list[dict[str, float]], tmp_path: Path, place: str
) -> None:
    plugin = Plugin(place, KeyError("lost"))
    run = start(tmp_path, plugin)
    if place not in ("run_started", "tracker", "step_ended"):
        break_at(run, place, plugin)
    with pytest.raises(Exception, match="lost"):
        run.train()
    assert len(plugin.ended) == 1
    assert not plugin.ended[0].finished
    assert "KeyError" in plugin.ended[0].error
    assert "lost" in plugin.ended[0].error
    closed = run.trackers[-1]
    assert isinstance(closed, Closed)
    assert closed.closed == 1
    if place == "run_started":
        return
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert checkpoint.load(newest).step == PLACES[place]
    seen = Plugin()
    assert start(tmp_path, seen, resume=True).train().finished  # nobody holds the folder any more
    assert [(event.finished, event.error) for event in seen.ended] == [(True, "")]
    assert rows(tmp_path) == straight


def test_weights_that_become_no_numbers_stop_the_run_at_the_first_turn_sampled_with_them(tmp_path: Path) -> None:
    plugin = Plugin()
    run = start(tmp_path, plugin)

    def spoil(place: str, step: int) -> None:
        if place == "step_ended" and step == 2:
            for parameter in run.trainer.learners["main"].loaded.model.parameters():
                parameter.data.fill_(float("nan"))

    plugin.at = spoil  # type: ignore[method-assign]
    with pytest.raises(
        NumericsError, match=r"^step 3, episode 16 of kuhn_poker .* turn 0 of role 'player_0', by policy 'main': .* nan"
    ):
        run.train()
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert checkpoint.load(newest).step == 0  # what may have been learned from them is not saved


def test_ctrl_c_twice_ends_the_run_at_once_and_saves_nothing_more(
    straight: list[dict[str, float]], tmp_path: Path
) -> None:
    plugin = Plugin("estimator", KeyboardInterrupt())
    run = start(tmp_path, plugin)
    break_at(run, "estimator", plugin)
    with pytest.raises(KeyboardInterrupt):
        run.train()
    assert [event.error for event in plugin.ended] == ["KeyboardInterrupt()"]
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert checkpoint.load(newest).step == 0
    assert start(tmp_path, Plugin(), resume=True).train().finished
    assert rows(tmp_path) == straight


def test_a_tracker_that_cannot_be_closed_keeps_neither_the_others_open_nor_the_folder(tmp_path: Path) -> None:
    run = start(tmp_path, Plugin())
    closed = run.trackers[-1]
    assert isinstance(closed, Closed)

    class Stuck(Closed):
        def close(self) -> None:
            raise OSError("stuck")

    run.trackers.append(Stuck(Plugin()))
    with pytest.raises(OSError, match="stuck"):
        run.train()
    assert closed.closed == 1
    start(tmp_path, Plugin(), resume=True).folder.close()


def test_asked_to_stop_after_a_step_was_saved_or_not_the_run_saves_it(
    straight: list[dict[str, float]], tmp_path: Path
) -> None:
    plugin = Plugin()
    run = start(tmp_path, plugin)
    plugin.at = lambda place, step: run.stop_after_this_step() if step == 2 else None  # type: ignore[method-assign]
    result = run.train()
    assert (result.finished, result.step) == (False, 2)
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert checkpoint.load(newest).step == 2
    start(tmp_path, Plugin(), resume=True).train()
    assert rows(tmp_path) == straight
