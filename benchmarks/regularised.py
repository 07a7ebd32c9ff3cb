"""Claim: plain self-play runs around a mixed equilibrium; with a moving reference, a magnet or a mixture the policy comes near it.

    python benchmarks/regularised.py --seeds 0,1

Runs the four recipes of `biased_rps`, which differ in nothing else, and draws the NashConv of the policy as it is, not of its
average, over steps.
"""

from __future__ import annotations

import argparse
import json

import matplotlib as mpl
from common import RESULTS, column, save, train

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

WAYS = {"plain": "tab:red", "refresh": "tab:blue", "magnetic": "tab:green", "nash_md": "tab:purple"}
METRIC = "eval/nash_conv/matrix_brps"
LATE = 1 / 3  # the share of a run, its end, over which is averaged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--steps", type=int, help="instead of the recipes' own")
    parser.add_argument("--ways", help="only these; what was measured of the others stays in the result")
    given = parser.parse_args()
    steps = [] if given.steps is None else [f"train.steps={given.steps}"]
    found: dict[str, dict[str, dict[str, object]]] = {}
    if given.ways:
        found = json.loads((RESULTS / "regularised.json").read_text())["ways"]
    uniform = 0.0
    for seed in given.seeds.split(","):
        for way in given.ways.split(",") if given.ways else WAYS:
            rows, seconds = train(f"biased_rps/{way}", [f"train.seed={seed}", *steps])
            at, last = column(rows, f"{METRIC}/last")
            uniform = column(rows, f"{METRIC}/uniform")[1][0]
            late = [value for step, value in zip(at, last, strict=True) if step > (1 - LATE) * at[-1]]
            found.setdefault(way, {})[seed] = {
                "nash_conv_late_mean": sum(late) / len(late),
                "nash_conv_late_highest": max(late),
                "nash_conv_last": last[-1],
                "nash_conv_of_the_average": column(rows, f"{METRIC}/average")[1][-1],
                "seconds": seconds,
                "steps": at,
                "nash_conv": last,
            }
            print(way, seed, {key: value for key, value in found[way][seed].items() if "conv_" in key}, flush=True)
            save("regularised", {"uniform": uniform, "late": LATE, "ways": found})
    draw(found, uniform)


def draw(found: dict[str, dict[str, dict[str, object]]], uniform: float) -> None:
    figure, axes = pyplot.subplots(figsize=(7.5, 4))
    for way, runs in found.items():
        for number, run in enumerate(runs.values()):
            axes.plot(
                run["steps"],
                run["nash_conv"],
                color=WAYS[way],
                linestyle="-:"[number % 2],
                label=None if number else way,
            )
    axes.axhline(uniform, color="grey", linewidth=0.8, linestyle="--")
    axes.annotate("uniform play", (0, uniform), xytext=(2, 2), textcoords="offset points", fontsize=8, color="grey")
    axes.set(xlabel="step", ylabel="NashConv (dotted: second seed)", yscale="log")
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / "regularised.png", dpi=120)


if __name__ == "__main__":
    main()
