"""Policies of one run: separate, frozen by a phase, or adapters on one base; and stores that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from sparring import checkpoint
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import Recipe, RecipeSource, load_recipe
from sparring.trainer import Trainer

SMALL = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}"
RECIPE = f"""
format: 1
policies:
  one: {{model: {SMALL}, adapter: {{rank: 4}}}}
  two: {{model: {SMALL}, adapter: {{rank: 4}}}}
roles: {{player_0: one, player_1: two}}
play: [{{game: {{use: kuhn_poker, wording: terse}}}}]
advantage: role_conditioned
objective: {{use: policy_gradient, kl_coef: 0.1, kl_estimator: full}}
sampling: {{max_tokens: 3}}
batch: {{size: 8}}
train: {{steps: 4, learning_rate: 1.0e-2, threads: 1}}
schedule: [{{train: [one], steps: 2}}, {{train: [two], steps: 2, refresh_reference: [two]}}]
"""


def recipe(*sets: str) -> Recipe:
    return load_recipe(RecipeSource("test", RECIPE, "test"), load_plugins().registry, sets=sets)


def weights(trainer: Trainer, policy: str) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in trainer.learners[policy].loaded.model.named_parameters()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("adapters", [True, False], ids=["two adapters on one base", "two models"])
def test_a_phase_leaves_the_policy_that_it_does_not_train_as_it_was(adapters: bool) -> None:
    sets = () if adapters else ("policies.one.adapter=null", "policies.two.adapter=null")
    trainer = assemble(recipe(*sets))
    one, two = weights(trainer, "one"), weights(trainer, "two")
    for _ in range(2):
        metrics, episodes = trainer.step()
        assert "loss/one" in metrics
        assert "loss/two" not in metrics
        assert {turn.holder for e in episodes for turn in e.turns if turn.trained} == {"one"}
    assert not same(weights(trainer, "one"), one)
    assert same(weights(trainer, "two"), two)
    one = weights(trainer, "one")
    trainer.step()
    assert same(weights(trainer, "one"), one)
    assert not same(weights(trainer, "two"), two)


def test_adapters_share_the_base_and_never_change_it() -> None:
    trainer = assemble(recipe())
    models = [trainer.learners[name].loaded.model for name in ("one", "two")]
    parameters: list[dict[str, Any]] = [dict(model.named_parameters()) for model in models]
    base = [name for name in parameters[0] if ".lora_" not in name]
    assert base
    assert all(parameters[0][name] is parameters[1][name] for name in base)
    before = weights(trainer, "one")
    for _ in range(4):
        trainer.step()
    after = weights(trainer, "one")
    assert all(before[name].equal(after[name]) for name in base)
    reference = trainer.learners["one"].reference
    assert reference is not None
    assert dict(reference.model.named_parameters())[base[0]] is parameters[0][base[0]]


def test_a_phase_refreshes_references_at_its_end() -> None:
    trainer = assemble(recipe())
    learner = trainer.learners["two"]
    assert learner.reference is not None
    for _ in range(3):
        trainer.step()
    at = "model.layers.0.self_attn.q_proj.lora_B.default.weight"
    trained, kept = dict(learner.loaded.model.named_parameters()), dict(learner.reference.model.named_parameters())
    assert not trained[at].equal(kept[at])
    trainer.step()
    assert trained[at].equal(kept[at])


def test_a_reference_may_go_part_of_the_way_at_each_refresh() -> None:
    """``μ ← (1 - r) μ + r π`` of every trained weight, at steps that reference_refresh divides and at no other."""
    of_two = ["policies.two.reference_refresh=2", "policies.two.reference_rate=0.25", "schedule=[]"]
    trainer = assemble(recipe(*of_two))
    learner = trainer.learners["two"]
    assert learner.reference is not None
    kept = {name: p for name, p in learner.reference.model.named_parameters() if "lora_" in name}
    for step in range(1, 5):
        before = {name: p.clone() for name, p in kept.items()}
        trainer.step()
        trained = dict(learner.loaded.model.named_parameters())
        rate = 0.25 if step % 2 == 0 else 0.0
        for name, p in kept.items():
            torch.testing.assert_close(p, (1 - rate) * before[name] + rate * trained[name])
        assert any(not before[name].equal(trained[name]) for name in kept)
    assert any(not kept[name].equal(trained[name]) for name in kept)


def test_a_checkpoint_of_an_adapter_resumes_exactly_and_is_a_plain_model(tmp_path: Path) -> None:
    trainer = assemble(recipe())
    trainer.step()
    models = {name: learner.loaded for name, learner in trainer.learners.items()}
    saved = checkpoint.save(tmp_path, 1, {"trainer": trainer.state_dict()}, trainer.tensors(), models)
    again = assemble(recipe())
    loaded = checkpoint.load(saved)
    again.load(loaded.state["trainer"], loaded.tensors, loaded.weights)
    for _ in range(3):
        expected, _ = trainer.step()
        found, _ = again.step()
        assert (
            found["loss/one" if "loss/one" in found else "loss/two"]
            == expected["loss/one" if "loss/one" in expected else "loss/two"]
        )
    assert same(weights(again, "one"), weights(trainer, "one"))
    plain = AutoModelForCausalLM.from_pretrained(saved / "policies" / "one")
    assert not any("lora" in name for name in load_file(saved / "policies" / "one" / "model.safetensors"))
    third = assemble(recipe())
    third.load(loaded.state["trainer"], loaded.tensors, loaded.weights)
    row = list(range(1, 12))
    with torch.no_grad():
        expected_logprobs = torch.log_softmax(plain(torch.tensor([row])).logits[0, :-1], -1)
    (found_logprobs,) = third.generator.score("one", [(row[:1], row[1:])])
    picked = expected_logprobs[torch.arange(len(row) - 1), torch.tensor(row[1:])]
    assert torch.tensor(found_logprobs) == pytest.approx(picked, abs=1e-4)


def test_the_learning_rate_schedule_is_over_the_steps_that_train_a_policy() -> None:
    made = recipe()
    assert [made.phase(step)[0].train for step in (1, 2, 3, 4, 5)] == [["one"], ["one"], ["two"], ["two"], ["one"]]
    assert [made.phase(step)[1] for step in (1, 2, 3, 4, 5)] == [1, 2, 1, 2, 1]
    assert (made.steps_of("one"), made.steps_of("two")) == (2, 2)
