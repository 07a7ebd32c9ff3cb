"""A run that is killed and resumed is the run that was not: weights, metrics (timings aside) and episodes, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sparring import transcripts

STEPS = 8
SMALL = [
    "policies.main.model={use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 40}",
    "policies.main.reference_refresh=3",
    "batch.size=24",
    f"train.steps={STEPS}",
    "train.threads=1",
    "checkpoint.every=2",
    "transcripts.every=1",
    "evaluate.0.every=2",
    "trackers=[jsonl]",
    "opponents={use: uniform_pool, every: 2, size: 2}",
    "sampling.max_tokens=3",
]

# Wide enough for compiled kernels to be used at all.
COMPILED = "policies.main.model={use: tiny, hidden: 256, heads: 8, layers: 2, ffn_multiple: 8, warmup_steps: 40, kernels: compiled}"


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "sparring", "run", "--out", str(folder), *more]


def start(folder: Path, *more: str) -> list[str]:
    return command(folder, "kuhn_poker/quickstart", *(part for item in (*SMALL, *more) for part in ("--set", item)))


def rows(folder: Path) -> list[dict[str, float]]:
    """Metrics without timings."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if "seconds" not in k and k != "framework_share"} for line in lines
    ]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight") / "run"
    subprocess.run(start(folder), check=True, capture_output=True, timeout=300)
    return folder


def kill_after(folder: Path, step: int, *more: str) -> None:
    """Start the run and kill it as soon as it has logged ``step``."""
    process = subprocess.Popen(start(folder, *more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    metrics = folder / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while not (metrics.exists() and f'"step": {step},' in metrics.read_text()):
        assert process.poll() is None, (process.stdout.read() if process.stdout else b"").decode()
        assert time.monotonic() < deadline
        time.sleep(0.01)  # the run tells nobody when it writes; its file is what there is to watch
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("step", [3, 4])
def test_kill_and_resume_equal_an_uninterrupted_run(straight: Path, tmp_path: Path, step: int) -> None:
    folder = tmp_path / "run"
    kill_after(folder, step)
    done = subprocess.run(command(folder, "--resume"), check=True, capture_output=True, text=True, timeout=300)
    assert "not exact" not in done.stderr
    assert_equal(folder, straight)


@pytest.mark.slow
def test_with_compiled_kernels_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three processes compiles for itself."""
    straight, folder = tmp_path / "straight", tmp_path / "run"
    for number, work in enumerate(
        (
            lambda: subprocess.run(start(straight, COMPILED), check=True, capture_output=True, timeout=300),
            lambda: kill_after(folder, 3, COMPILED),
            lambda: subprocess.run(command(folder, "--resume"), check=True, capture_output=True, timeout=300),
        )
    ):
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / f"kernels-{number}"))
        work()
        # Two are made where no piece of a model is: by the trial, and to know the processor.
        assert len(list((tmp_path / f"kernels-{number}").rglob("*.so"))) > 2
    assert_equal(folder, straight)


def assert_equal(folder: Path, straight: Path) -> None:
    assert rows(folder) == rows(straight)
    last = f"step-{STEPS:06d}"
    for name in ("policies/main/model.safetensors", "learner-main.safetensors"):
        ours, theirs = (load_file(f / "checkpoints" / last / name) for f in (folder, straight))
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert ours[key].equal(theirs[key]), key
    states = [json.loads((f / "checkpoints" / last / "state.json").read_text()) for f in (folder, straight)]
    assert states[0] == states[1]
    for number in range(1, STEPS + 1):
        ours_, theirs_ = (transcripts.read(f / "episodes" / f"step-{number:06d}.jsonl.zst") for f in (folder, straight))
        assert [repr(e) for e in ours_] == [repr(e) for e in theirs_]


def test_two_runs_may_not_share_a_folder(straight: Path) -> None:
    again = subprocess.run(start(straight), check=False, capture_output=True, text=True, timeout=120)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    assert "Traceback" not in again.stderr


def test_every_logged_name_is_declared(straight: Path) -> None:
    from sparring.metrics import CORE, undeclared
    from sparring.plugins import load_plugins

    declared = [*CORE, *(metric for component in load_plugins().registry.all() for metric in component.metrics)]
    assert undeclared({name for row in rows(straight) for name in row}, declared) == []
