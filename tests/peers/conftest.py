"""The problem, and each peer's answer to it, once a session."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .environments import OPENRLHF, TRL, Peer
from .problem import Answer, Problem, make_problem


@dataclass(frozen=True)
class PeerAnswer:
    """What a peer wrote: ``values`` by name."""

    values: dict[str, torch.Tensor]

    def advantages(self, case: str) -> list[float]:
        return [float(a) for a in self.values[f"advantages/{case}"]]

    def loss(self, case: str) -> Answer:
        start = f"gradient/{case}/"
        gradients = {name.removeprefix(start): g for name, g in self.values.items() if name.startswith(start)}
        return Answer(self.values[f"loss/{case}"].item(), gradients)

    def metric(self, case: str, name: str) -> float:
        return self.values[f"metric/{case}/{name}"].item()


@pytest.fixture(scope="session")
def problem() -> Problem:
    return make_problem()


@pytest.fixture(scope="session")
def ask(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Peer], PeerAnswer]:
    def call(peer: Peer) -> PeerAnswer:
        if not peer.is_ready:
            pytest.skip(f"{peer.folder.name} is missing or holds other versions; run `make install-peers`")
        folder = tmp_path_factory.mktemp(peer.name)
        problem.write(folder)
        script = Path(__file__).with_name(f"run_{peer.name}.py")
        done = subprocess.run(
            [str(peer.python), str(script), str(folder)],
            check=False, env={**os.environ, "HF_HOME": str(folder), "PYTHONPATH": ""}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{script.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-8000:]}"
        return PeerAnswer(load_file(folder / f"{peer.name}.safetensors"))

    return call


@pytest.fixture(scope="session")
def trl(ask: Callable[[Peer], PeerAnswer]) -> PeerAnswer:
    return ask(TRL)


@pytest.fixture(scope="session")
def openrlhf(ask: Callable[[Peer], PeerAnswer]) -> PeerAnswer:
    return ask(OPENRLHF)
