"""Claim: an update with compiled kernels takes no more processor time on a CPU than one by the model's own code.

Rows of 256 random tokens that share nothing, a fifth of them trained; fp32, one thread. Both arms begin with the same weights in
the same process, their first gradients' norms are compared, and they take turns; medians. What compiling takes is beside it:
how much longer the first update lasts than a later one, in seconds of the wall clock, with nothing kept of earlier runs.

python benchmarks/fused_kernels.py --model smollm2_135m --runs 5
python benchmarks/fused_kernels.py --model tiny --runs 15
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time

from beside import trainer_of
from common import save
from learner import RECIPES, part_of, unshared

from sparring.learner import Learner, Part

ARMS = ("none", "compiled")
LIMIT = 1.0  # of the time by the model's own code
MODELS = {"tiny": "{{use: tiny, warmup_steps: 0, kernels: {}}}", "smollm2_135m": "{{use: smollm2_135m, kernels: {}}}"}


def update(learner: Learner, part: Part) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    report = learner.update([part], 1)
    return {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "grad_norm": report.metrics["grad_norm"],
    }


def measure(model: str, count: int, runs: int) -> dict[str, object]:
    learners, loading = {}, {}
    for arm in ARMS:
        began = time.perf_counter()
        sets = [f"policies.main.model={MODELS[model].format(arm)}", "objective.kl_coef=0", "train.token_budget=2048"]
        learners[arm] = trainer_of(RECIPES[model], sets).learners["main"]
        loading[arm] = time.perf_counter() - began
    part = part_of(unshared([256] * count, learners["none"].loaded.model.config.vocab_size))
    first = {arm: update(learner, part) for arm, learner in learners.items()}
    norms = [found["grad_norm"] for found in first.values()]
    if max(norms) > 1.0001 * min(norms):
        raise SystemExit(f"the gradients differ, so the work does: norms {dict(zip(ARMS, norms, strict=True))}")
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for _ in range(runs):
        for arm, learner in learners.items():
            found[arm].append(update(learner, part))
    cpu = {arm: [run["cpu_seconds"] for run in found[arm]] for arm in ARMS}
    later = {arm: statistics.median(run["wall_seconds"] for run in found[arm]) for arm in ARMS}
    return {
        "grad_norms_at_first": norms,
        "cpu_seconds": cpu,
        "median_cpu_seconds": {arm: statistics.median(cpu[arm]) for arm in ARMS},
        "compiled_to_none": statistics.median(b / a for a, b in zip(cpu["none"], cpu["compiled"], strict=True)),
        "limit": LIMIT,
        "loading_seconds": loading,
        "first_update_longer_by_seconds": {arm: first[arm]["wall_seconds"] - later[arm] for arm in ARMS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="tiny")
    parser.add_argument("--count", type=int, default=8, help="rows")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sparring-kernels-") as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        found = measure(given.model, given.count, given.runs)
    print({key: value for key, value in found.items() if key != "cpu_seconds"})
    save(f"fused_kernels-{given.model}", {"arguments": vars(given), **found})


if __name__ == "__main__":
    main()
