"""Claim: SPIN lifts held-out format-following over its start, and by how much more or less than as much imitation.

    python benchmarks/spin.py --seeds 0,1

Runs `copy_format/spin`, and as its control the same recipe with nothing but imitation, until both have trained on the same
number of tokens: each pair of SPIN counts with both of its answers. Shares are of 1,000 held-out tasks, answers sampled at
temperature 1; the interval of the difference is that of two independent shares (95 %, normal).
"""

from __future__ import annotations

import argparse
import math

import matplotlib as mpl
from common import RESULTS, Rows, save, train

mpl.use("Agg")
import itertools

from matplotlib import pyplot  # after the choice of what it draws on

IMITATION, ITERATIONS = 25, 60  # steps of the recipe's two phases
ITEMS = 1000


def curve(rows: Rows, entry: str) -> list[tuple[float, float]]:
    """(trained tokens so far, solve rate) at every evaluation."""
    found, tokens = [], 0.0
    for row in rows:
        tokens += row.get("tokens/trained", 0.0)
        rate = row.get(f"eval/tasks/{entry}/solve_rate")
        if rate is not None:
            found.append((tokens, rate))
    return found


def at(points: list[tuple[float, float]], tokens: float) -> float:
    """The rate at a number of tokens, between evaluations on the line that joins them."""
    for (a, low), (b, high) in itertools.pairwise(points):
        if a <= tokens <= b:
            return low + (high - low) * (tokens - a) / (b - a)
    return points[-1][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for seed in given.seeds.split(","):
        rows, seconds = train("copy_format/spin", [f"train.seed={seed}"])
        steps = IMITATION + 2 * ITERATIONS + 10
        control, control_seconds = train(
            "copy_format/spin",
            [f"train.seed={seed}", f"train.steps={steps}", f"schedule=[{{play: [imitate], steps: {steps}}}]"],
        )
        spin, imitation = curve(rows, "imitate"), curve(control, "imitate")
        begun = sum(row.get("tokens/trained", 0.0) for row in rows if row["step"] <= IMITATION)
        start, end, other = at(spin, begun), spin[-1][1], at(imitation, spin[-1][0])
        spread = 1.96 * math.sqrt((end * (1 - end) + other * (1 - other)) / ITEMS)
        found[seed] = {
            "start": start, "spin": end, "gain": end - start, "imitation": other, "difference": end - other,
            "difference_low": end - other - spread, "difference_high": end - other + spread,
            "trained_tokens": spin[-1][0], "trained_tokens_at_start": begun,
            "seconds": seconds, "control_seconds": control_seconds,
        }  # fmt: skip
        print(seed, {key: round(value, 3) for key, value in found[seed].items()}, flush=True)
        save("spin", {"items": ITEMS, "seeds": found})
        axes.plot(*zip(*spin, strict=True), label=f"SPIN, seed {seed}", color="tab:blue")
        axes.plot(*zip(*imitation, strict=True), label=f"imitation, seed {seed}", color="tab:orange")
        axes.axvline(begun, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="trained tokens", ylabel="held-out tasks answered exactly", ylim=(0, 1))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / "spin.png", dpi=120)


if __name__ == "__main__":
    main()
