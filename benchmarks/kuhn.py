"""Claim: a model learns Kuhn poker by self-play. NashConv by seed, for any of the Kuhn recipes.

python benchmarks/kuhn.py kuhn_poker/quickstart --seeds 0,1,2
python benchmarks/kuhn.py kuhn_poker/smollm2 --seeds 0,1
python benchmarks/kuhn.py kuhn_poker/pairs --seeds 0,1
"""

from __future__ import annotations

import argparse

import matplotlib as mpl
from common import RESULTS, Rows, column, save, train

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

NASH_CONV = "eval/nash_conv/kuhn_poker"
UNIFORM, BLIND = 11 / 12, 2 / 3


def summary(rows: Rows, seconds: float) -> dict[str, float]:
    _, last = column(rows, f"{NASH_CONV}/last")
    _, average = column(rows, f"{NASH_CONV}/average")
    return {
        "nash_conv_at_start": last[0],
        "nash_conv_last": last[-1],
        "nash_conv_average": average[-1],
        # Of sampled answers: before anything was learned if the evaluator samples too, else in the first step.
        "illegal_rate_at_start": (
            column(rows, f"{NASH_CONV}/illegal_rate")[1] or column(rows, "illegal_rate/kuhn_poker")[1]
        )[0],
        "illegal_rate_last_step": column(rows, "illegal_rate/kuhn_poker")[1][-1],
        "framework_share_median": sorted(column(rows, "framework_share")[1])[len(rows) // 2],
        "steps": rows[-1]["step"],
        "seconds": seconds,
    }


def draw(name: str, runs: dict[int, Rows]) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for seed, rows in runs.items():
        (line,) = axes.plot(*column(rows, f"{NASH_CONV}/last"), label=f"seed {seed}")
        axes.plot(*column(rows, f"{NASH_CONV}/average"), color=line.get_color(), alpha=0.5, linestyle=":")
    for value, text in ((UNIFORM, "uniform play"), (BLIND, "best play blind to the card")):
        axes.axhline(value, color="grey", linewidth=0.8, linestyle="--")
        axes.annotate(text, (0, value), xytext=(2, 2), textcoords="offset points", fontsize=8, color="grey")
    axes.set(xlabel="step", ylabel="NashConv (chips), dotted: average policy", ylim=(0, None), title=name)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name.replace('/', '-')}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    given = parser.parse_args()
    runs: dict[int, Rows] = {}
    found: dict[str, dict[str, float]] = {}
    for seed in map(int, given.seeds.split(",")):
        rows, seconds = train(given.recipe, [f"train.seed={seed}", *given.sets])
        runs[seed], found[str(seed)] = rows, summary(rows, seconds)
        print(seed, {key: round(value, 4) for key, value in found[str(seed)].items()}, flush=True)
        save(given.recipe.replace("/", "-"), {"recipe": given.recipe, "sets": given.sets, "seeds": found})
    draw(given.recipe, runs)


if __name__ == "__main__":
    main()
