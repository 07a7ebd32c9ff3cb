"""What the benchmark scripts share: run a recipe, read its metrics, write a result with commit and hardware."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
Rows = list[dict[str, float]]


def train(recipe: str, sets: Sequence[str], folder: Path | None = None) -> tuple[Rows, float]:
    """Run a recipe in a process of its own. Its metrics, one row a step, and the seconds from start to end."""
    out = folder or Path(tempfile.mkdtemp(prefix="sparring-")) / "run"
    command = [sys.executable, "-m", "sparring", "run", recipe, "--out", str(out)]
    for item in sets:
        command += ["--set", item]
    print("$ sparring", *command[3:], flush=True)
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()], seconds


def column(rows: Rows, name: str) -> tuple[list[float], list[float]]:
    """Steps and values of a metric, where it was logged."""
    found = [(row["step"], row[name]) for row in rows if name in row]
    return [step for step, _ in found], [value for _, value in found]


def save(name: str, result: Mapping[str, Any]) -> Path:
    """Write ``results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**where(), **result}, indent=1) + "\n")
    print(f"wrote {path.relative_to(ROOT.parent)}")
    return path


def where() -> dict[str, str | int]:
    """Commit, processor and versions."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "commit": commit.stdout.strip(),
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def peak_gflops(dtype: torch.dtype = torch.float32, size: int = 2048, times: int = 4) -> float:
    """Billions of operations per processor second in products of square matrices."""
    a, b = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    a @ b
    began = time.process_time()
    for _ in range(times):
        a @ b
    return 2e-9 * size**3 * times / (time.process_time() - began)


def read_gbytes(size: int = 2**27, times: int = 4) -> float:
    """Billions of bytes read from memory per processor second: more than the caches hold is summed."""
    numbers = torch.ones(size)
    numbers.sum()
    began = time.process_time()
    for _ in range(times):
        numbers.sum()
    return 4e-9 * size * times / (time.process_time() - began)
