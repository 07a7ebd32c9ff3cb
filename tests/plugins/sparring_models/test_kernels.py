"""Fused kernels change no more than rounding: not the learner's numbers, nor what may be put in place of linear layers."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from torch._dynamo.utils import counters

from sparring import LoadedModel, ModelContext, Request, Sampling
from sparring.adapters import adapt, plain, twin
from sparring.errors import ModelError
from sparring.forward import attend_by_plan, autocast, check_forward, recomputed, token_logprobs
from sparring.sections import AdapterSpec
from sparring_generators.packed import PackedLinears
from sparring_generators.params import TransformersParams
from sparring_generators.transformers import TransformersGenerator
from sparring_models import compiled
from sparring_models.kernels import apply_liger, with_kernels
from sparring_models.params import TinyParams
from sparring_models.tiny import Tiny

ROWS = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 9], [7, 8], [1, 2, 3, 4, 10, 11, 12]]
WHERE = [[3, 5], [3], [1], [4, 5, 6]]


@pytest.fixture(autouse=True)
def _however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SMALLEST", 0)


def small(family: str = "Llama", seed: int = 0) -> LoadedModel:
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=61, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    return LoadedModel(getattr(transformers, f"{family}ForCausalLM")(config).eval(), None)  # type: ignore[arg-type]  # nothing is tokenised


def fused(family: str = "Llama") -> LoadedModel:
    return with_kernels(small(family), "compiled")


def graphs() -> int:
    """How many the compiler has made so far."""
    return int(counters["stats"]["unique_graphs"])


def learnt(loaded: LoadedModel, again: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probabilities, and the gradient of their sum."""
    loaded.model.zero_grad()
    with autocast(loaded), recomputed(loaded.model) if again else nullcontext():
        logprobs = token_logprobs(loaded.model, ROWS, WHERE).logprobs
    logprobs.sum().backward()
    return logprobs.detach(), {n: p.grad.clone() for n, p in loaded.model.named_parameters() if p.grad is not None}


@torch.no_grad()
def scored(loaded: LoadedModel) -> torch.Tensor:
    return token_logprobs(loaded.model, ROWS, WHERE).logprobs


def assert_same(one: LoadedModel, other: LoadedModel, tolerance: float = 1e-5) -> None:
    for got, expected in zip(learnt(one), learnt(other), strict=True):
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("family", ["Llama", *(pytest.param(f, marks=pytest.mark.slow) for f in ("Qwen3", "Gemma"))])
def test_logprobs_and_gradients_are_those_of_the_models_own_code(family: str) -> None:
    loaded, pieces = fused(family), graphs()
    check_forward(loaded.model)
    assert_same(loaded, small(family))
    # Norm, product and rotation without gradient; with it too, where the first norm's input may have one or not.
    assert 6 <= graphs() - pieces <= 9


def test_another_number_of_tokens_compiles_nothing() -> None:
    """Nor does the width as the first number of all: 64 tokens of 64 numbers each."""
    loaded = fused()

    def learn(tokens: int) -> None:
        row = [(7 * i + tokens) % 61 for i in range(tokens)]
        token_logprobs(loaded.model, [row], [[tokens - 1]]).logprobs.sum().backward()
        with torch.no_grad():
            token_logprobs(loaded.model, [row], [[tokens - 1]])

    for tokens in (64, 9, 2):
        learn(tokens)
    made = graphs()
    for tokens in (3, 5, 31, 64, 128, 200):
        learn(tokens)
    assert graphs() == made


def test_copies_and_other_layers_share_what_is_compiled() -> None:
    loaded = fused()
    before = learnt(loaded)[0]
    made = graphs()
    copied = LoadedModel(copy.deepcopy(loaded.model), loaded.tokenizer)
    for module in copied.model.modules():
        if isinstance(module.__dict__.get("forward"), MethodType):
            assert module.forward.__self__ is module
    with torch.no_grad():
        for parameter in copied.model.parameters():
            parameter.mul_(1.1)
    assert not torch.equal(learnt(copied)[0], before)
    assert torch.equal(learnt(loaded)[0], before)
    assert graphs() == made
    assert torch.equal(scored(twin(loaded)), before)


def test_packed_linear_layers_are_exchanged_without_compiling_again() -> None:
    loaded = fused()
    made = []
    with torch.no_grad():
        before = token_logprobs(loaded.model, ROWS, WHERE).logprobs
        for _ in range(3):
            with PackedLinears(loaded.model, torch.float32).in_use():
                torch.testing.assert_close(
                    token_logprobs(loaded.model, ROWS, WHERE).logprobs, before, atol=1e-5, rtol=0
                )
            made.append(graphs())
    assert (
        len(set(made)) == 1
    )  # the first time it may: parts of one product lie further apart than products of their own


def test_adapters_train_and_are_added_to_a_plain_model() -> None:
    ours, theirs = (adapt(loaded, AdapterSpec(rank=2), 0, "main") for loaded in (fused(), small()))
    assert_same(ours, theirs)
    assert any("lora" in name for name in learnt(ours)[1])
    with torch.no_grad():
        for name, parameter in ours.model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)
        expected = token_logprobs(ours.model, ROWS, WHERE).logprobs
        got = token_logprobs(plain(ours), ROWS, WHERE).logprobs
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_layers_that_are_run_again_give_the_same_gradients() -> None:
    loaded = fused()
    attend_by_plan(loaded.model)
    for got, expected in zip(learnt(loaded, again=True), learnt(loaded), strict=True):
        assert_equal(got, expected)


def assert_equal(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, atol=0, rtol=0)


@pytest.mark.slow
def test_matrix_products_in_bfloat16_stay_what_they_are() -> None:
    ours, theirs = fused(), small()
    ours.bf16 = theirs.bf16 = True
    assert_same(ours, theirs, tolerance=0.05)


def test_the_generator_samples_the_same_from_a_model_that_a_recipe_asks_for() -> None:
    context = ModelContext(0, lambda n: [[("user", "Heads or tails?"), ("assistant", "heads")]] * n)
    written = {}
    before = torch.random.get_rng_state()
    made = graphs()
    for kernels in ("none", "compiled"):
        params = {"hidden": 64, "heads": 2, "layers": 2, "warmup_examples": 2, "warmup_steps": 1, "kernels": kernels}
        generator = TransformersGenerator(TransformersParams())
        generator.publish("main", Tiny(TinyParams.model_validate(params)).load(context))
        requests = [Request("main", [1, 70, 71, 2 + key % 3], key, Sampling(max_tokens=8)) for key in range(5)]
        written[kernels] = generator.generate(requests)
    assert graphs() > made
    assert torch.equal(before, torch.random.get_rng_state())
    assert [done.tokens for done in written["none"]] == [done.tokens for done in written["compiled"]]
    for one, other in zip(*written.values(), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_few_elements_are_left_to_the_models_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SMALLEST", 10**9)
    made = graphs()
    for got, expected in zip(learnt(fused()), learnt(small()), strict=True):
        assert_equal(got, expected)
    assert graphs() == made


TWICE = """
import sys, torch
from tests_kernels import ROWS, compiled, fused, learnt
compiled.SMALLEST = 0
torch.use_deterministic_algorithms(True)
loaded = fused()
for tokens in map(int, sys.argv[2:]):
    loaded.model(torch.arange(tokens)[None])
torch.save(learnt(loaded), sys.argv[1])
"""


@pytest.mark.slow
def test_what_was_run_before_does_not_change_a_bit(tmp_path: Path) -> None:
    """As a run that is resumed has another past than one that was not. Each compiles for itself."""
    (tmp_path / "tests_kernels.py").symlink_to(Path(__file__).resolve())
    found = []
    for number, past in enumerate((["60", "33"], [])):
        file = tmp_path / f"{number}.pt"
        subprocess.run(
            [sys.executable, "-c", TWICE, str(file), *past], check=True, capture_output=True, text=True, timeout=300,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / str(number))},
        )  # fmt: skip
        found.append(torch.load(file))
    assert_equal(*found)


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path) -> None:
    code = "from sparring_models.compiled import try_compiler; try_compiler('cpu')"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120,
        env={**os.environ, "CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert "ModelError: kernels: compiled needs torch's compiler" in done.stderr
    assert "It needs a C++ compiler (g++, or the one that CXX names)" in done.stderr


def test_liger_is_refused_where_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match=r"runs on CUDA alone.*use 'compiled'"):
        with_kernels(small(), "liger")


def test_liger_is_refused_by_a_recipe_for_the_cpu() -> None:
    def said(device: str, kernels: str) -> list[tuple[str, str]]:
        recipe: Any = SimpleNamespace(train=SimpleNamespace(device=device))
        return TinyParams.model_validate({"kernels": kernels}).contradictions(recipe)

    assert "CUDA alone" in dict(said("cpu", "liger"))["kernels"]
    assert not said("auto", "liger")
    assert not said("cpu", "compiled")


def test_liger_changes_one_model_and_neither_its_attention_nor_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exchanged, without running it: the kernels are for CUDA."""
    pytest.importorskip("liger_kernel")
    from liger_kernel.transformers import liger_rotary_pos_emb
    from transformers.models.llama import modeling_llama

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = dict(vars(modeling_llama))
    model = small().model
    apply_liger(model)
    assert vars(modeling_llama) == before, "other models of the architecture are changed"
    layer = model.base_model.layers[0]
    assert layer.self_attn.forward.__func__.__code__.co_code == modeling_llama.LlamaAttention.forward.__code__.co_code
    assert layer.self_attn.forward.__func__.__globals__["apply_rotary_pos_emb"] is liger_rotary_pos_emb
    for module in (layer.mlp, layer.input_layernorm, layer.post_attention_layernorm, model.base_model.norm):
        assert module.forward.__func__.__module__.startswith("liger_kernel.")
    assert layer.input_layernorm.variance_epsilon == model.config.rms_norm_eps
    assert "forward" not in vars(model)
    assert "forward" not in vars(model.lm_head)
    attend_by_plan(model)
    assert model.config._attn_implementation == "sparring_forest"
    model.config.model_type = "unheard_of"
    with pytest.raises(ModelError, match=r"no architecture 'unheard_of'.*llama"):
        apply_liger(model)


@pytest.mark.gpu
@pytest.mark.parametrize("kernels", ["compiled", "liger"])
@pytest.mark.parametrize("family", ["Llama", "Qwen3"])
def test_on_cuda_logprobs_and_gradients_are_those_of_the_models_own_code(kernels: Any, family: str) -> None:
    ours, theirs = with_kernels(small(family), kernels), small(family)
    for loaded in (ours, theirs):
        loaded.model.to("cuda")  # type: ignore[arg-type]  # its decorator hides the signature
    check_forward(ours.model)
    assert_same(ours, theirs, tolerance=1e-4)
