"""Claim: one policy learns SPIRAL's three games in one run, all of them together.

    python benchmarks/three_games.py --seeds 0,1

NashConv on Kuhn poker, and the share of matches won from random play in tic-tac-toe and in the negotiation, over steps of
`spiral/three_games_cpu`. ``--seeds`` that were measured before keep their place in the result if only others are asked for.
"""

from __future__ import annotations

import argparse
import json

import matplotlib as mpl
from common import RESULTS, Rows, column, save, train

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

RECIPE, NAME = "spiral/three_games_cpu", "three_games"
KUHN = "eval/nash_conv/kuhn_poker/last"
WON = {game: f"eval/head_to_head/{game}/random/win_rate" for game in ("tic_tac_toe", "simple_negotiation")}
Curve = dict[str, list[float]]
Run = dict[str, Curve | float]


def curves(rows: Rows, seconds: float) -> Run:
    """What the evaluators found, by name: its steps and values; for a share of matches its interval (95 %) too."""
    found: Run = {"seconds": seconds}
    steps, values = column(rows, KUHN)
    found["kuhn_poker"] = {"steps": steps, "nash_conv": values}
    for game, name in WON.items():
        steps, values = column(rows, name)
        low, high = (column(rows, f"{name}_{end}")[1] for end in ("low", "high"))
        illegal = column(rows, name.replace("win_rate", "illegal_rate"))[1]
        found[game] = {"steps": steps, "win_rate": values, "low": low, "high": high, "illegal_rate": illegal}
    return found


def draw(runs: dict[str, Run]) -> None:
    figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.5))
    for axes, game in zip(panels, ("kuhn_poker", *WON), strict=True):
        for seed, run in runs.items():
            curve = run[game]
            assert isinstance(curve, dict)
            (line,) = axes.plot(curve["steps"], curve.get("win_rate") or curve["nash_conv"], label=f"seed {seed}")
            if "low" in curve:
                axes.fill_between(curve["steps"], curve["low"], curve["high"], color=line.get_color(), alpha=0.15)
        kuhn = game == "kuhn_poker"
        title = game.replace("_", " ")
        axes.set(xlabel="step", title=title, ylabel="NashConv (chips)" if kuhn else "won from random play")
        axes.set_ylim(0, None if kuhn else 1)
        axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{NAME}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    parser.add_argument("--add", action="store_true", help="keep the seeds that were measured before")
    given = parser.parse_args()
    before = RESULTS / f"{NAME}.json"
    runs: dict[str, Run] = json.loads(before.read_text())["seeds"] if given.add else {}
    for seed in given.seeds.split(","):
        runs[seed] = curves(*train(RECIPE, [f"train.seed={seed}", *given.sets]))
        save(NAME, {"recipe": RECIPE, "sets": given.sets, "seeds": runs})
        ends = {name: (v[0], v[-1]) for name, v in summary(runs[seed]).items()}
        print(seed, {name: f"{first:.3f} -> {last:.3f}" for name, (first, last) in ends.items()}, flush=True)
    draw(runs)


def summary(run: Run) -> dict[str, list[float]]:
    """The one number of each game, over steps."""
    found: dict[str, list[float]] = {}
    for game, curve in run.items():
        if isinstance(curve, dict):
            found[game] = curve.get("win_rate") or curve["nash_conv"]
    return found


if __name__ == "__main__":
    main()
