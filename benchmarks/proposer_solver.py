"""Claim: a model that sets itself sums learns to solve held-out ones, its proposals grow harder as it does; beside it, drawn sums.

    python benchmarks/proposer_solver.py --seeds 0,1,2

Runs `arithmetic/proposer_solver`, and as its control `arithmetic/fixed_curriculum` from the same weights until it has trained on as
many tokens, the proposer's included. Shares are of the same 1,000 held-out sums, answers sampled at temperature 1; a seed's
interval is that of two independent shares (95 %, normal), the interval over seeds Student's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import statistics
from typing import Any

import matplotlib as mpl
from common import RESULTS, Rows, column, save, train

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

NAME, RATE, DIFFICULTY = "proposer_solver", "eval/tasks/sums/solve_rate", "facts/sums/difficulty"
ITEMS, WINDOW = 1000, 25
UNIFORM = 4.0  # mean number of additions of drawn sums, two to six
# Trained tokens of a step of the control: 64 sums, 8 attempts at each, an answer and its end. Rarely an answer takes fewer.
FIXED_STEP = 64 * 8 * 2 * 0.99
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % quantile, by number of seeds
Points = list[list[float]]


def curve(rows: Rows) -> Points:
    """[trained tokens so far, solve rate, lower and upper end of its interval] at every evaluation."""
    found, tokens = [], 0.0
    for row in rows:
        tokens += row.get("tokens/trained", 0.0)
        if RATE in row:
            found.append([tokens, row[RATE], row[f"{RATE}_low"], row[f"{RATE}_high"]])
    return found


def at(points: Points, tokens: float) -> float:
    """The rate at a number of tokens, between evaluations on the line that joins them."""
    for (a, low, *_), (b, high, *_) in itertools.pairwise(points):
        if a <= tokens <= b:
            return low + (high - low) * (tokens - a) / (b - a)
    raise ValueError(f"the control ended at {points[-1][0]:.0f} tokens; {tokens:.0f} are needed")


def smooth(values: list[float]) -> list[float]:
    """Mean of the last `WINDOW` values."""
    return [statistics.fmean(values[max(0, i + 1 - WINDOW) : i + 1]) for i in range(len(values))]


def compare(rows: Rows, control: Rows) -> dict[str, Any]:
    own, drawn = curve(rows), curve(control)
    tokens, end = own[-1][:2]
    start, other = own[0][1], at(drawn, tokens)
    spread = 1.96 * math.sqrt((end * (1 - end) + other * (1 - other)) / ITEMS)
    _, difficulty = column(rows, DIFFICULTY)
    smoothed = smooth(difficulty)[WINDOW - 1 :]
    return {
        "start": start, "end": end, "gain": end - start, "fixed_curriculum": other, "fixed_gain": other - drawn[0][1],
        "difference": end - other, "difference_low": end - other - spread, "difference_high": end - other + spread,
        "trained_tokens": tokens,
        "difficulty_first": smoothed[0], "difficulty_least": min(smoothed), "difficulty_last": smoothed[-1],
        "step_of_least_difficulty": smoothed.index(min(smoothed)) + WINDOW,
        "correlation": statistics.correlation(*by_evaluation(rows)),
    }  # fmt: skip


def by_evaluation(rows: Rows) -> tuple[list[float], list[float]]:
    """The solver's rate at each evaluation but the first, and the mean difficulty of the proposals since the one before."""
    rates, means, since = [], [], []
    for row in rows:
        if DIFFICULTY in row:
            since.append(row[DIFFICULTY])
        if RATE in row and since:
            rates.append(row[RATE])
            means.append(statistics.fmean(since))
            since = []
    return rates, means


def over_seeds(seeds: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Mean difference of the arms and its interval, which knows of the seeds alone."""
    differences = [found["difference"] for found in seeds.values()]
    mean = statistics.fmean(differences)
    if len(differences) not in STUDENT:
        return {"difference": mean}
    spread = STUDENT[len(differences)] * statistics.stdev(differences) / math.sqrt(len(differences))
    return {"difference": mean, "difference_low": mean - spread, "difference_high": mean + spread}


def draw(seeds: dict[str, dict[str, Any]]) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for number, (seed, found) in enumerate(seeds.items()):
        for arm, name, color in (
            ("curve", "sets itself sums", "tab:blue"),
            ("fixed_curve", "fixed curriculum", "tab:orange"),
        ):
            tokens, rate, low, high = zip(*found[arm], strict=True)
            left.plot(tokens, rate, color=color, linewidth=1, label=name if number == 0 else None)
            left.fill_between(tokens, low, high, color=color, alpha=0.15, linewidth=0)
        right.plot(smooth(found["difficulty"]), label=f"seed {seed}", linewidth=1)
    left.set(xlabel="trained tokens", ylabel="held-out sums solved", ylim=(0, 1))
    right.axhline(UNIFORM, color="grey", linestyle="--", linewidth=0.8, label="drawn sums")
    right.set(xlabel="step", ylabel="additions in a proposed sum", ylim=(2, 6))
    for axes in (left, right):
        axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{NAME}.png", dpi=120)


def timed(recipe: str, sets: list[str]) -> tuple[Rows, float]:
    """Metrics and seconds on a core, loading and evaluating included: what counts where a machine is shared."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows, _ = train(recipe, sets)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return rows, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--draw", action="store_true", help="Only draw the saved results again.")
    given = parser.parse_args()
    if given.draw:
        draw(json.loads((RESULTS / f"{NAME}.json").read_text())["seeds"])
        return
    seeds: dict[str, dict[str, Any]] = {}
    for seed in given.seeds.split(","):
        rows, seconds = timed("arithmetic/proposer_solver", [f"train.seed={seed}"])
        # Its learning rate falls to 0 as well, so it has to end where the other did.
        steps = math.ceil(curve(rows)[-1][0] / FIXED_STEP)
        control, control_seconds = timed("arithmetic/fixed_curriculum", [f"train.seed={seed}", f"train.steps={steps}"])
        found = compare(rows, control)
        print(f"seed {seed}", {key: round(value, 3) for key, value in found.items()}, flush=True)
        seeds[seed] = {
            **found,
            "cpu_seconds": seconds,
            "fixed_cpu_seconds": control_seconds,
            "curve": curve(rows),
            "fixed_curve": curve(control),
            "difficulty": column(rows, DIFFICULTY)[1],
        }
        save(NAME, {"items": ITEMS, "over_seeds": over_seeds(seeds), "seeds": seeds})
        draw(seeds)


if __name__ == "__main__":
    main()
