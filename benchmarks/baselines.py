"""Claim: role-conditioned baselines (RAE) centre each role's advantages; without them a seat's advantage leaks in.

    python benchmarks/baselines.py --seeds 0,1

Kuhn poker is worth -1/18 chips to the first player at equilibrium and far from it much more to one of the two, so returns
as they are push everything a role does up or down. Runs `kuhn_poker/quickstart` and `kuhn_poker/no_role_baseline`, which
differ in the estimator alone, and compares the mean advantage of each role, step by step.
"""

from __future__ import annotations

import argparse

import matplotlib as mpl
from common import RESULTS, Rows, column, save, train

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

ROLES = ("player_0", "player_1")
WAYS = {"with RAE": "kuhn_poker/quickstart", "without": "kuhn_poker/no_role_baseline"}
WINDOW = 20  # steps; a step's mean over a few hundred turns is noisy


def smooth(values: list[float]) -> list[float]:
    return [
        sum(values[max(0, i - WINDOW + 1) : i + 1]) / len(values[max(0, i - WINDOW + 1) : i + 1])
        for i in range(len(values))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    runs: dict[str, Rows] = {}
    for seed in given.seeds.split(","):
        for way, recipe in WAYS.items():
            rows, _ = train(recipe, [f"train.seed={seed}", f"train.steps={given.steps}"])
            runs[f"{way}, seed {seed}"] = rows
            means = {role: smooth(column(rows, f"advantage/kuhn_poker/{role}/mean")[1]) for role in ROLES}
            found.setdefault(seed, {})[way] = {
                **{
                    f"mean |advantage| of {role}": sum(map(abs, values)) / len(values) for role, values in means.items()
                },
                "nash_conv_last": column(rows, "eval/nash_conv/kuhn_poker/last")[1][-1],
            }
            print(seed, way, {key: round(value, 4) for key, value in found[seed][way].items()}, flush=True)
            save("baselines", {"steps": given.steps, "window": WINDOW, "seeds": found})
    figure, panels = pyplot.subplots(1, len(ROLES), figsize=(9, 3.5), sharey=True)
    for axes, role in zip(panels, ROLES, strict=True):
        for name, rows in runs.items():
            steps, values = column(rows, f"advantage/kuhn_poker/{role}/mean")
            axes.plot(steps, smooth(values), label=name, color="tab:blue" if name.startswith("with RAE") else "tab:red")
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set(title=role, xlabel="step", ylabel=f"mean advantage, {WINDOW} steps" if role == ROLES[0] else "")
        axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / "baselines.png", dpi=120)


if __name__ == "__main__":
    main()
