"""Claim: in self-play attacker and defender both get better, and ordinary requests are still served.

Cross-play of both roles before and after training on guarded_word, by recipe and seed:

python benchmarks/attacker_defender.py --seeds 0,1
python benchmarks/attacker_defender.py --recipes guarded_word/quickstart,guarded_word/defender_only --seeds 0,1
"""

from __future__ import annotations

import argparse
import resource

import matplotlib as mpl
from common import RESULTS, Rows, save, train

from sparring_evaluators.cross_play import matrix

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

NAME, ENTRY = "attacker_defender", "guarded_word"
FACTS = ("attack_success", "harmless_served")
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


def draw(found: dict[str, dict[str, dict[str, float]]]) -> None:
    figure, panels = pyplot.subplots(len(found), len(FACTS), figsize=(9, 2.6 * len(found)), squeeze=False, sharey=True)
    for line, (recipe, seeds) in zip(panels, found.items(), strict=True):
        for axes, fact in zip(line, FACTS, strict=True):
            for number, (seed, row) in enumerate(seeds.items()):
                width = 0.8 / len(seeds)
                mean, low, high = ([row[key(fact, *pair, end)] for pair in PAIRS] for end in ("mean", "low", "high"))
                ends = [
                    [m - a for m, a in zip(mean, low, strict=True)],
                    [b - m for m, b in zip(mean, high, strict=True)],
                ]
                places = [place + (number - (len(seeds) - 1) / 2) * width for place in range(len(PAIRS))]
                axes.bar(places, mean, width * 0.9, yerr=ends, capsize=2, label=f"seed {seed}", error_kw={"lw": 0.8})
            names = {"0": "before", "latest": "after"}
            axes.set_xticks(
                range(len(PAIRS)), [f"attacker {names[a]}\ndefender {names[b]}" for a, b in PAIRS], fontsize=7
            )
            axes.set(title=f"{recipe}: {fact.replace('_', ' ')}", ylim=(0, 1.05))
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{NAME}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", default="guarded_word/quickstart")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    given = parser.parse_args()
    results: dict[str, dict[str, dict[str, object]]] = {}
    drawn: dict[str, dict[str, dict[str, float]]] = {}
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
            drawn.setdefault(recipe, {})[seed] = row
            save(NAME, {"sets": given.sets, "recipes": results})
    draw(drawn)


if __name__ == "__main__":
    main()
