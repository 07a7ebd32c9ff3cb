"""The memory plan: counted where it can be, measured where not, and a refusal that says what to change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from sparring import LoadedModel
from sparring.assemble import assemble
from sparring.errors import MemoryPlanError
from sparring.forward import token_logprobs
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.testing import make
from sparring.trainer import Trainer
from sparring_memory import plan as memory
from sparring_memory.plan import GIB, MemoryPlan, Need
from sparring_memory.versions import version_bytes

RECIPE = """
format: 1
policies:
  main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 0}}
play: [{game: {use: kuhn_poker, wording: terse}}]
advantage: plain
objective: policy_gradient
sampling: {max_tokens: 3}
batch: {size: 4}
generator: {use: transformers, kv_gib: 0.5}
train: {steps: 1, threads: 1, token_budget: 1000}
"""


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return assemble(load_recipe(RecipeSource("test", RECIPE, "test"), load_plugins().registry))


@pytest.fixture(scope="module")
def loaded(trainer: Trainer) -> LoadedModel:
    return trainer.learners["main"].loaded


def test_what_can_be_counted_is_exact(trainer: Trainer, loaded: LoadedModel) -> None:
    needs = {need.what: need.bytes for need in memory.plan({"main": loaded}, trainer.generator, 1000).needs}
    weights = 4 * sum(p.numel() for p in loaded.model.parameters())
    assert needs["gradients"] == weights
    assert needs["AdamW's moments"] == 2 * weights
    assert needs["keys and values"] == GIB // 2


def test_activations_are_those_of_a_longer_row(loaded: LoadedModel) -> None:
    """What a token of short rows keeps foretells what a row of another length keeps."""
    parameters = {p.untyped_storage().data_ptr() for p in loaded.model.parameters()}
    length, found = 200, {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    row = [(5 * i + 1) % loaded.model.config.vocab_size for i in range(length)]
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        scored = token_logprobs(loaded.model, [row], [list(range(1, length))])
    assert scored.logprobs.requires_grad
    real = sum(size for pointer, size in found.items() if pointer not in parameters)
    assert memory.activation_bytes(loaded) * length == pytest.approx(real, rel=0.1)


def test_layers_that_are_run_again_keep_their_inputs_and_one_of_them_everything(loaded: LoadedModel) -> None:
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [module for module in loaded.model.modules() if isinstance(module, GradientCheckpointingLayer)]
    row, entering = list(range(1, 41)), list[int]()
    hooks = [layer.register_forward_pre_hook(lambda _, given: entering.append(given[0].nbytes)) for layer in layers]
    token_logprobs(loaded.model, [row], [list(range(1, len(row)))])
    for hook in hooks:
        hook.remove()
    inputs, n = sum(entering) / len(row), len(layers)
    whole, less = memory.activation_bytes(loaded), memory.activation_bytes(loaded, checkpointing=True)
    outside = (less - inputs - whole / n) * n / (n - 1)  # of layers: embedding and head
    assert 0 < outside < less < whole


def test_a_plan_that_does_not_fit_says_what_to_change() -> None:
    needs = (Need("gradients", 1 * GIB, "train less"), Need("activations", 3 * GIB, "lower train.token_budget (9)"))
    MemoryPlan(needs, 4 * GIB).require_room()
    with pytest.raises(MemoryPlanError) as refused:
        MemoryPlan(needs, 4 * GIB - 1).require_room()
    first, largest, least = str(refused.value).splitlines()
    assert "may take 4.00 GiB beside the weights" in first
    assert largest == "  activations: 3.00 GiB; lower train.token_budget (9)"
    assert least == "  gradients: 1.00 GiB; train less"


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    whole = memory.free_bytes(torch.device("cpu"))  # no such files: what the machine has
    assert whole > 1000
    (tmp_path / "memory.current").write_text("400\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory.free_bytes(torch.device("cpu")) == 600
    assert memory.watermark(torch.device("cpu"), 0.9) == 900
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes(torch.device("cpu")) > 1000
    assert memory.watermark(torch.device("cpu"), 0.5) == psutil.virtual_memory().total // 2


def test_what_is_resident_is_counted() -> None:
    """In a process of its own: this one may give a tensor memory that another has left."""
    script = """
import torch
from sparring_memory.plan import resident_bytes
before = resident_bytes()
held = torch.ones(16 * 2**20)
print(held.nbytes, resident_bytes() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    size, grown = map(int, done.stdout.split())
    assert grown == pytest.approx(size, rel=0.2)


POOL = RECIPE.replace("batch:", "opponents: {use: uniform_pool, every: 2, size: 3}\nbatch:").replace(
    "steps: 1", "steps: STEPS"
)


@pytest.mark.parametrize(("steps", "kept"), [(1, 0), (5, 2), (50, 3)])
def test_past_versions_for_opponents_are_counted_as_far_as_the_run_comes_to_keep_them(steps: int, kept: int) -> None:
    recipe = load_recipe(RecipeSource("test", POOL.replace("STEPS", str(steps)), "test"), load_plugins().registry)
    trainer = assemble(recipe)
    learners = {"main": trainer.learners["main"].loaded}
    weights = 4 * sum(p.numel() for p in learners["main"].model.parameters())
    assert version_bytes(learners, trainer.generator, trainer.opponents, [], steps) == kept * weights
    needs = {need.what: need for need in memory.plan(learners, trainer.generator, 1000, versions=kept * weights).needs}
    assert ("past versions" in needs) == bool(kept)


def test_what_a_generator_makes_of_a_version_and_what_evaluators_watch_is_counted_too(trainer: Trainer) -> None:
    class Packs:
        def version_bytes(self, loaded: LoadedModel) -> int:
            return 7

    class Watches:
        def members(self) -> list[int]:
            return [0, 3, 900]

    learners = {"main": trainer.learners["main"].loaded}
    weights = 4 * sum(p.numel() for p in learners["main"].model.parameters())
    sampler = make("opponents", "exploiter", exploiter="main", target="main")
    delayed, psro = make("opponents", "delayed"), make("opponents", "psro", every=2, size=4)
    for opponents, most in ((sampler, 0), (delayed, 1), (psro, 3)):
        found = version_bytes(learners, Packs(), opponents, [Watches()], 5)  # type: ignore[arg-type, list-item]  # what they have is enough
        # Versions 0 and 3 are watched, 900 is beyond the run, and one is kept already; the sampler's may all be others.
        assert found == (2 + most - 1) * (weights + 7)
