"""Claim: policies that learned apart do not understand each other; a best response to a pool of them does better with the pool than any.

    python benchmarks/cooperation.py --seeds 0,1

Runs `cooperation/fcp` and `cooperation/mep`: three self-played policies of a signalling game with four objects and four symbols, three
checkpoints of each, and a learner that meets them. Then it is told what each policy gets with itself, with the others and with the pool.
"""

from __future__ import annotations

import argparse
import json

from common import RESULTS, save, train

WAYS = ("fcp", "mep")
WHERE = "eval/zero_shot"
SELF_PLAYED = ("seed_0", "seed_1", "seed_2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument(
        "--ways", default=",".join(WAYS), help="only these; what was measured of the others stays in the result"
    )
    given = parser.parse_args()
    ways = given.ways.split(",")
    found: dict[str, dict[str, dict[str, object]]] = {}
    if set(ways) != set(WAYS) and (RESULTS / "cooperation.json").exists():
        found = json.loads((RESULTS / "cooperation.json").read_text())["ways"]
    for seed in given.seeds.split(","):
        for way in ways:
            rows, seconds = train(f"cooperation/{way}", [f"train.seed={seed}"])
            found.setdefault(way, {})[seed] = {**measured(rows[-1]), "seconds": seconds}
            print(way, seed, {key: value for key, value in found[way][seed].items() if key != "with"}, flush=True)
            save("cooperation", {"ways": found})


def measured(last: dict[str, float]) -> dict[str, object]:
    """What the evaluators found when training had ended."""
    pool = {name: last[f"{WHERE}/pool/{name}/mean_return"] for name in ("main", *SELF_PLAYED)}
    with_each = {
        name.removeprefix(f"{WHERE}/pool/").removesuffix("/mean_return").replace("/with/", " with "): value
        for name, value in last.items()
        if name.startswith(f"{WHERE}/pool/") and "/with/" in name and name.endswith("/mean_return")
    }
    return {
        "self_play": last[f"{WHERE}/signalling/self_play"],
        "cross_play": last[f"{WHERE}/signalling/cross_play"],
        "gap": last[f"{WHERE}/signalling/gap"],
        "learner_with_pool": pool["main"],
        "best_self_played_with_pool": max(pool[name] for name in SELF_PLAYED),
        "learner_br_proximity": last[f"{WHERE}/pool/main/br_proximity"],
        "with": with_each,
    }


if __name__ == "__main__":
    main()
