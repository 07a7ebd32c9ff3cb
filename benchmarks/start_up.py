"""Claim: a run of the quickstart takes its first step seconds after its command, and the parts that take them are known.

A fresh process each time: ``sparring run kuhn_poker/quickstart --set train.steps=1``, with clocks around what it calls. What a run
would import on its way is imported before, so that it stands by itself; parts that call each other are counted once.
Processor seconds on one thread, medians.

python benchmarks/start_up.py --runs 3
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import save

#: What a run imports.
IMPORTS = {
    "torch's compiler": ("torch._dynamo",),  # for which torch's optimizers ask, though nothing is compiled
    "transformers": ("transformers", "transformers.models.llama.modeling_llama"),
    "charts": ("matplotlib.figure", "torch.utils.tensorboard"),
    "sparring": ("sparring.run", "sparring_cli.run"),
}
#: Where each part is looked up when it is called, in the order of a run.
PARTS = {
    "model": ("sparring.assemble", "load_models"),
    "its warm-up": ("sparring_models.tiny", "warm_up"),
    "memory plan": ("sparring_memory.plan", "plan"),
    "evaluation, twice": ("sparring.trainer", "Trainer.evaluate"),
    "first step": ("sparring.trainer", "Trainer.step"),
    "checkpoint": ("sparring.checkpoint", "save"),
}


def clocked(folder: str, sets: list[str]) -> dict[str, float]:
    """Run the command in this process; processor seconds of its parts."""
    spent: dict[str, float] = defaultdict(float, {"Python and torch": time.process_time()})
    for name, modules in IMPORTS.items():
        began = time.process_time()
        for module in modules:
            importlib.import_module(module)
        spent[f"import {name}"] = time.process_time() - began
    inner = [0.0]  # what calls within the present one took

    def clock(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start, before, inner[0] = time.process_time(), inner[0], 0.0
            try:
                return call(*args, **kwargs)
            finally:
                took = time.process_time() - start
                spent[name] += took - inner[0]
                inner[0] = before + took

        return timed

    for name, (module, path) in PARTS.items():
        owner: Any = importlib.import_module(module)
        *outer, last = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, last, clock(name, getattr(owner, last)))
    command = importlib.import_module("sparring_cli").main
    command(["run", "kuhn_poker/quickstart", "--out", folder, *sets], standalone_mode=False)
    ended = time.process_time()
    return {**spent, "rest": ended - sum(spent.values()), "all": ended}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sets = [part for item in ["train.steps=1", *given.sets] for part in ("--set", item)]
    if given.inside:
        print("\n" + json.dumps(clocked(given.inside, sets)))
        return
    runs = []
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--inside", str(Path(folder) / "run")]
            command += [part for item in given.sets for part in ("--set", item)]
            said = subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread).stdout
        runs.append(json.loads(next(line for line in reversed(said.splitlines()) if line.startswith("{"))))
        print({part: round(seconds, 2) for part, seconds in runs[-1].items()}, flush=True)
    middle = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    print({part: round(seconds, 2) for part, seconds in middle.items()})
    save("start_up", {"arguments": vars(given), "cpu_seconds": middle, "runs": runs})


if __name__ == "__main__":
    main()
