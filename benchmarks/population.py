"""Claim: what a population learns against all of its members (fsp) is exploited less, mixed evenly, than what it learns against the newest (naive).

    python benchmarks/population.py --seeds 0,1

Trains `biased_rps/population` with a meta-solver each. Whenever a version has become a member, the even mixture of all members so
far, those that have left included, is measured by NashConv; so is the policy as it is, every five steps.
"""

from __future__ import annotations

import argparse
import json
import time

from common import save

from sparring.assemble import assemble
from sparring.evaluation import Evaluation
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.testing import make

RECIPE = "biased_rps/population"
METRIC = "eval/nash_conv/matrix_brps"
GAME = {"use": "openspiel", "name": "matrix_brps"}
LATE = 1 / 3  # the share of a run, its end, over which is averaged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--solvers", default="naive,fsp,nash")
    parser.add_argument("--steps", type=int, help="instead of the recipe's own")
    given = parser.parse_args()
    steps = [] if given.steps is None else [f"train.steps={given.steps}"]
    found: dict[str, dict[str, object]] = {}
    for seed in given.seeds.split(","):
        for solver in given.solvers.split(","):
            sets = [f"train.seed={seed}", f"opponents.solver={solver}", *steps]
            told = found.setdefault(solver, {})[seed] = measured(sets)
            print(solver, seed, json.dumps(told), flush=True)
            save("population", {"late": LATE, "solvers": found})


def measured(sets: list[str]) -> dict[str, object]:
    """One run: NashConv of the members' even mixture at each admission, and of the policy as it is."""
    host = load_plugins()
    recipe = load_recipe(find_recipe(RECIPE, host.recipe_packages), host.registry, sets=sets)
    began = time.perf_counter()
    trainer = assemble(recipe)
    # The evaluator's average is over what it has been shown: this one is shown the members alone.
    of_members, of_all = (make("evaluator", "nash_conv", game=GAME) for _ in range(2))
    admitted: list[int] = []
    mixture: list[float] = []
    at: list[int] = []
    last: list[float] = []
    for step in range(recipe.train.steps + 1):
        if step:
            trainer.step()
        now = Evaluation(step, recipe.train.seed, trainer.hall, ["main"], trainer.entries, trainer.pool)
        if trainer.opponents.members("main")[-1] == step:
            admitted.append(step)
            mixture.append(of_members.evaluate(now)[f"{METRIC}/average"])
        if step % 5 == 0:
            at.append(step)
            last.append(of_all.evaluate(now)[f"{METRIC}/last"])
    late = [value for step, value in zip(at, last, strict=True) if step >= (1 - LATE) * at[-1]]
    return {
        "admitted": admitted,
        "nash_conv_of_the_mixture": [round(value, 3) for value in mixture],
        "nash_conv_late_mean": round(sum(late) / len(late), 3),
        "steps": at,
        "nash_conv": [round(value, 3) for value in last],
        "seconds": round(time.perf_counter() - began, 1),
    }


if __name__ == "__main__":
    main()
