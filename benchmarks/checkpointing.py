"""Claim: activation checkpointing takes a fraction of an update's memory for a little more time.

Rows of 256 random tokens that share nothing, a fifth of them trained, in one micro-batch; fp32. Each arm runs in a process of
its own, since freed memory stays with a process: one update to make optimizer state, then one that is measured. Memory is how
much more is resident at the peak than before the first update; processor seconds on one thread.

python benchmarks/checkpointing.py --model smollm2_135m --rows 8
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from beside import trainer_of
from common import save
from learner import BASE, RECIPES, part_of, unshared

from sparring_memory.plan import activation_bytes, resident_bytes


def measure(model: str, rows: int, checkpointing: bool) -> dict[str, float]:
    sets = [*BASE[model], f"train.activation_checkpointing={str(checkpointing).lower()}", "train.token_budget=1000000"]
    (learner,) = trainer_of(RECIPES[model], [*sets, "train.threads=1", "train.memory_share=1"]).learners.values()
    part = part_of(unshared([256] * rows, learner.loaded.model.config.vocab_size))
    planned = activation_bytes(learner.loaded, checkpointing) * 256 * rows
    before = resident_bytes()
    learner.update([part], 1)
    began = time.process_time()
    report = learner.update([part], 2)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    weights = 4 * sum(p.numel() for p in learner.loaded.model.parameters())
    return {
        "cpu_seconds": seconds,
        "grad_norm": report.metrics["grad_norm"],
        "gib": peak / 2**30,
        "gib_of_gradients_and_moments": 3 * weights / 2**30,
        "gib_of_activations_planned": planned / 2**30,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2_135m", choices=tuple(RECIPES))
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--arm", choices=("kept", "again"), help="Run this one here and print what it took.")
    given = parser.parse_args()
    if given.arm:
        print(json.dumps(measure(given.model, given.rows, given.arm == "again")))
        return
    found = {}
    for arm in ("kept", "again"):
        command = [sys.executable, __file__, "--model", given.model, "--rows", str(given.rows), "--arm", arm]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[arm] = json.loads(done.stdout.splitlines()[-1])
        print(arm, found[arm], flush=True)
    save(f"checkpointing-{given.model}", {"arguments": vars(given), "arms": found})


if __name__ == "__main__":
    main()
