"""What `learner.py` and `step.py` share: a trainer from a recipe, TRL in a process of its own, and the machine's limit."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import ROOT

from sparring import LoadedModel
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.trainer import Trainer

# What `sparring.assemble.keep_freed_memory` sets, for another process.
KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
PYTHON = ROOT.parent / ".venv-trl" / "bin" / "python"


def trainer_of(recipe: str, sets: Sequence[str]) -> Trainer:
    """A trainer on one thread."""
    host = load_plugins()
    return assemble(
        load_recipe(find_recipe(recipe, host.recipe_packages), host.registry, sets=(*sets, "train.threads=1"))
    )


class Trl:
    """TRL's trainer in its own environment, on one thread; it takes a step when it is told to."""

    def __init__(self, loaded: LoadedModel, job: Mapping[str, Any], keeping: bool = False) -> None:
        """``job`` is what `run_trl.py` reads, with ``count`` rows in an optimizer step, ``at_once`` in a forward pass.

        ``keeping``: it keeps freed memory as our process does, which is not its default.
        """
        if not PYTHON.exists():
            raise SystemExit("TRL's environment is not there; run: python tests/peers/environments.py trl")
        self._folder = tempfile.TemporaryDirectory(prefix="sparring-trl-")
        folder = Path(self._folder.name)
        loaded.model.save_pretrained(folder / "model")
        loaded.tokenizer.save_pretrained(folder / "model")
        (folder / "job.json").write_text(json.dumps(job))
        self._log = (folder / "log").open("w+")
        self._process = subprocess.Popen(
            [PYTHON, ROOT / "run_trl.py", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", **(KEEPING if keeping else {})},
        )  # fmt: skip

    def step(self) -> dict[str, float]:
        """Take a step: ``cpu_seconds``, ``grad_norm`` and what else `run_trl.py` says of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("step\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._log.seek(0)
            raise SystemExit(f"TRL's process ended:\n{self._log.read()[-4000:]}")
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()
