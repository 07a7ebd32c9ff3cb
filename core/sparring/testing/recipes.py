"""Whether a recipe is right and its smoke block trains."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparring.hookspecs import hookimpl
from sparring.interfaces import StepEnded
from sparring.metrics import CORE, undeclared
from sparring.plugins import Host, load_plugins
from sparring.recipe import RecipeSource, find_recipe, load_recipe
from sparring.testing.report import Reporter

if TYPE_CHECKING:
    from sparring.run import Run


def check_recipe(
    recipe: str | Path,
    *,
    modules: Sequence[object | str] = (),
    files: Sequence[Path | str] = (),
    sets: Sequence[str] = (),
    resume: bool = False,
) -> dict[str, float]:
    """Validate a recipe, a file or a registered name, run its smoke block in a temporary folder, and return what it measured.

    The run must end without a failed episode, its metrics be finite and declared. With ``resume`` it is run once more,
    interrupted after its first step and resumed, and must measure the same: everything that learns is then known to be in
    its checkpoints.

    ``modules`` and ``files`` are plugins that are not installed; ``sets`` are values as of ``--set``. Raises `RecipeError`
    with all that is wrong in the recipe, what the run raises, and `CheckFailed`.
    """
    host = load_plugins(modules=modules, files=files)
    report = Reporter(check_recipe)
    report.where = f"recipe {recipe}"
    given = len(modules) + len(files)
    for info in host.plugins[len(host.plugins) - given :]:
        report.require(not info.error, f"the plugin {info.name} could not be loaded: {info.error}")
    source = find_recipe(str(recipe), host.recipe_packages)
    load_recipe(source, host.registry, sets=sets)
    with tempfile.TemporaryDirectory(prefix="sparring-check-") as folder:
        steps = _train(source, host, sets, Path(folder) / "run", report)
        if resume:
            again = _train(source, host, sets, Path(folder) / "resumed", report, interrupt=True)
            for one, other in zip(steps, again, strict=True):
                changed = [name for name in one if _compared(name) and one[name] != other.get(name)]
                report.require(
                    not changed,
                    f"resumed after step 1, step {one['step']:g} has other values of {', '.join(changed[:4])}: "
                    f"{[other.get(name) for name in changed[:4]]} instead of {[one[name] for name in changed[:4]]}",
                )
    return steps[-1]


def _train(
    source: RecipeSource, host: Host, sets: Sequence[str], folder: Path, report: Reporter, *, interrupt: bool = False
) -> list[dict[str, float]]:
    """Metrics of every step."""
    from sparring.run import Run

    # A checkpoint after each step, so that the first one can be the last.
    own = ("trackers=[jsonl]", "checkpoint.every=1")
    recipe = load_recipe(source, host.registry, sets=(*sets, *own), smoke=True)
    run = Run(recipe, source.text, host, folder)
    if interrupt:
        interruption = _AfterFirstStep(run)
        host.manager.register(interruption)
        run.train()
        host.manager.unregister(interruption)
        run = Run(recipe, source.text, host, folder, resume=True)
    result = run.train()
    report.require(result.finished, f"stopped after step {result.step} of {recipe.train.steps}")
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    for step in steps:
        _check_metrics(step, host, report)
    return steps


class _AfterFirstStep:
    """Interrupts a run."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @hookimpl
    def sparring_step_ended(self, event: StepEnded) -> None:
        if event.step == 1:
            self.run.stop_after_this_step()


def _check_metrics(step: Mapping[str, float], host: Host, report: Reporter) -> None:
    report.require(not step.get("episodes_failed"), f"{step.get('episodes_failed', 0):g} episodes failed")
    infinite = [name for name, value in step.items() if not math.isfinite(value)]
    report.require(not infinite, f"step {step['step']:g}: not finite are {', '.join(infinite)}")
    declared = [*CORE, *(metric for component in host.registry.all() for metric in component.metrics)]
    unknown = undeclared(step, declared)
    report.require(
        not unknown,
        f"nobody declares the metrics {', '.join(unknown)}; register the component with metrics=[Metric(…)]",
    )


def _compared(name: str) -> bool:
    return "seconds" not in name and name != "framework_share"
