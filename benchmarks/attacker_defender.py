"""Claim: in self-play attacker and defender both get better, and ordinary requests are still served.

Cross-play of both roles before and after training on guarded_word, by recipe and seed:

python benchmarks/attacker_defender.py --seeds 0,1
python benchmarks/attacker_defender.py --recipes guarded_word/quickstart,guarded_word/defender_only --seeds 0,1
"""

from __future__ import annotations

import argparse
import json
import resource
from typing import Any

import matplotlib as mpl
from common import RESULTS, Rows, save, train

from sparring_evaluators.cross_play import matrix

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

NAME, ENTRY = "attacker_defender", "guarded_word"
FACTS = ("attack_success", "harmless_served")
ENDS = ("mean", "low", "high")
PAIRS = [(a, b) for a in ("0", "latest") for b in ("0", "latest")]


def last_evaluation(rows: Rows) -> dict[str, float]:
    """The last row that has the whole matrix."""
    return next(row for row in reversed(rows) if key("attack_success", "latest", "latest") in row)


def key(fact: str, attacker: str, defender: str, end: str = "mean") -> str:
    return f"eval/cross_play/{ENTRY}/{fact}/attacker_{attacker}/defender_{defender}/{end}"


def claims(row: dict[str, float]) -> dict[str, float]:
    """In percentage points. The old versions are played again beside the new ones, on the same starts."""

    def percent(fact: str, attacker: str, defender: str) -> float:
        return 100 * row[key(fact, attacker, defender)]

    before = percent("attack_success", "0", "0")
    return {
        "attack_gain": percent("attack_success", "latest", "0") - before,
        "defence_gain": before - percent("attack_success", "0", "latest"),
        "leaks_at_end": percent("attack_success", "latest", "latest"),
        "harmless_served_before": percent("harmless_served", "0", "0"),
        "harmless_served_change": percent("harmless_served", "0", "latest") - percent("harmless_served", "0", "0"),
    }


def draw(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    figure, panels = pyplot.subplots(
        len(results), len(FACTS), figsize=(9, 2.6 * len(results)), squeeze=False, sharey=True
    )
    names = {"0": "before", "latest": "after"}
    for line, (recipe, seeds) in zip(panels, results.items(), strict=True):
        for axes, fact in zip(line, FACTS, strict=True):
            width = 0.8 / len(seeds)
            for number, (seed, found) in enumerate(seeds.items()):
                mean, low, high = ([found["matrix"][key(fact, *pair, end)] for pair in PAIRS] for end in ENDS)
                # An end of an interval may be beyond its share by a rounding.
                below = [max(0.0, m - end) for m, end in zip(mean, low, strict=True)]
                above = [max(0.0, end - m) for m, end in zip(mean, high, strict=True)]
                places = [place + (number - (len(seeds) - 1) / 2) * width for place in range(len(PAIRS))]
                axes.bar(places, mean, width * 0.9, yerr=[below, above], capsize=2, label=f"seed {seed}")
            ticks = [f"attacker {names[a]}\ndefender {names[b]}" for a, b in PAIRS]
            axes.set_xticks(range(len(PAIRS)), ticks, fontsize=7)
            axes.set(title=f"{recipe}: {fact.replace('_', ' ')}", ylim=(0, 1.05))
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{NAME}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", default="guarded_word/quickstart")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    parser.add_argument("--draw", action="store_true", help="Only draw the saved results again.")
    given = parser.parse_args()
    if given.draw:
        draw(json.loads((RESULTS / f"{NAME}.json").read_text())["recipes"])
        return
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for recipe in given.recipes.split(","):
        for seed in given.seeds.split(","):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            rows, seconds = train(recipe, [f"train.seed={seed}", *given.sets])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            row = last_evaluation(rows)
            shown = {fact: matrix(row, ENTRY, fact) for fact in FACTS}
            print(f"{recipe}, seed {seed}", *shown.values(), claims(row), sep="\n", flush=True)
            results.setdefault(recipe, {})[seed] = {
                **claims(row),
                "matrix": {name: value for name, value in row.items() if name.startswith("eval/cross_play/")},
                "steps": row["step"],
                "seconds": seconds,
                # What counts where the machine is shared: time on a core, loading and evaluating included.
                "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            }
            save(NAME, {"sets": given.sets, "recipes": results})
    draw(results)


if __name__ == "__main__":
    main()
