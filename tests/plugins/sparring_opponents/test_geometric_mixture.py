"""The opponent that is a mixture: its distribution, its place in a run, and the mirror descent that it is for."""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sparring import Blender, LoadedModel, Request, Sampling
from sparring.adapters import twin
from sparring.assemble import assemble
from sparring.forward import head, token_logprobs
from sparring.learner import prepare
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.trainer import Trainer
from sparring_opponents.geometric_mixture import GeometricMixture, GeometricMixtureParams
from sparring_opponents.mixture_model import mixture

RECIPE = """
format: 1
policies:
  main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}}
play: [{game: {use: kuhn_poker, wording: terse}}]
advantage: role_conditioned
objective: policy_gradient
opponents: {use: geometric_mixture, weight: 0.25, every: 2}
sampling: {max_tokens: 3}
batch: {size: 16}
train: {steps: 6, learning_rate: 1.0e-2, threads: 1}
"""


def trainer() -> Trainer:
    return assemble(load_recipe(RecipeSource("test", RECIPE, "test"), load_plugins().registry))


def model(seed: int) -> LoadedModel:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=23, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3, tie_word_embeddings=True,
    )  # fmt: skip
    return prepare(LoadedModel(LlamaForCausalLM(config).eval(), None))  # type: ignore[arg-type]


ROWS = [[1, 2, 3, 4, 5], [1, 2, 3, 9], [7, 7]]
WHERE = [[1, 2, 3, 4], [2, 3], [1]]


def distributions(loaded: LoadedModel) -> torch.Tensor:
    """Log-probabilities of every token after ``1``."""
    rows = [[1, token] for token in range(23)]
    with torch.no_grad():
        return token_logprobs(loaded.model, rows, [[1]] * 23).logprobs


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_its_distribution_is_the_normalised_geometric_mean(weight: float) -> None:
    past, present = model(1), model(2)
    wanted = torch.log_softmax(weight * distributions(past) + (1 - weight) * distributions(present), 0)
    torch.testing.assert_close(distributions(mixture(past, present, weight)), wanted, atol=1e-5, rtol=0)


def test_a_mixture_of_a_model_with_itself_is_the_model_on_whole_rows() -> None:
    one = model(3)
    with torch.no_grad():
        got, wanted = (token_logprobs(m.model, ROWS, WHERE).logprobs for m in (mixture(twin(one), one, 0.4), one))
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_it_follows_the_policy_that_is_trained() -> None:
    past, present = model(1), model(2)
    mixed = mixture(past, present, 0.3)
    before = distributions(mixed)
    with torch.no_grad():
        for parameter in present.model.parameters():
            parameter.add_(0.05)
    assert not torch.allclose(before, distributions(mixed), atol=1e-3)
    torch.testing.assert_close(distributions(mixture(past, present, 0.3)), distributions(mixed))


def test_in_a_run_one_seat_is_the_mixture_and_only_the_other_is_trained() -> None:
    run = trainer()
    assert isinstance(run.opponents, Blender)
    for step, past in ((1, 0), (2, 0), (3, 2)):
        _, episodes = run.step()
        assert run.counters.step == step
        trained = {turn.holder: turn.trained for episode in episodes for turn in episode.turns}
        assert trained == {"main": True, f"main@{past}*": False}
        assert all(len({turn.role for turn in e.turns if turn.trained}) < 2 for e in episodes)


def test_sampled_log_probabilities_are_the_mixtures_own_after_updates() -> None:
    """With continuous batching and shared prefixes the engine draws from the mixture of the weights as they are now."""
    run = trainer()
    for _ in range(3):
        run.step()
    requests = [Request("main@2*", [1, 2, 3, 1 + i % 3], i, Sampling(max_tokens=4)) for i in range(24)]
    done = run.generator.generate(requests)
    present = run.learners["main"].loaded
    past = run.pool._held["main@2"]
    with torch.no_grad():
        for request, completion in zip(requests, done, strict=True):
            row = [*request.context, *completion.tokens]
            where = [list(range(len(request.context), len(row)))]
            expected = token_logprobs(mixture(past, present, 0.25).model, [row], where).logprobs
            assert completion.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_resumed_run_meets_the_same_mixture() -> None:
    whole = trainer()
    for _ in range(3):
        whole.step()
    state = json.loads(json.dumps(whole.state_dict()))
    tensors = {name: {k: v.clone() for k, v in t.items()} for name, t in whole.tensors().items()}
    parameters = whole.learners["main"].loaded.model.named_parameters()
    resumed = trainer()
    resumed.load(state, tensors, {"main": {name: p.detach().clone() for name, p in parameters}})
    for _ in range(2):
        a, b = whole.step()[1], resumed.step()[1]
        assert [[t.text for t in e.turns] for e in a] == [[t.text for t in e.turns] for e in b]


def test_by_default_it_is_mixed_with_the_policy_as_training_began() -> None:
    sampler = GeometricMixture(GeometricMixtureParams())
    for step in range(1, 120):
        sampler.step_ended("main", step)
    assert sampler.members("main") == [0]


WINS = torch.tensor([[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])


class _Fixed(torch.nn.Module):
    """A model whose logits are given: what the mixture's head is asked for."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.config = LlamaConfig(num_hidden_layers=1)
        self.logits = logits

    def get_output_embeddings(self) -> torch.nn.Module:
        return self

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(states), -1)


def mirror_descent(eta: float, tau: float, reference: list[float], steps: int) -> list[torch.Tensor]:
    """``π' ∝ π_mix exp(η P π_mix)``, ``π_mix ∝ π^(1-ητ) μ^(ητ)``; Munos et al. 2023, equation 6."""
    policy = torch.tensor([0.8, 0.15, 0.05])
    found = [policy]
    for _ in range(steps):
        pair = (LoadedModel(_Fixed(p.log()), None) for p in (torch.tensor(reference), policy))  # type: ignore[arg-type]
        mixed = mixture(*pair, eta * tau).model
        mix = torch.softmax(head(mixed, torch.zeros(1, 4))[0], 0)
        policy = torch.softmax(mix.log() + eta * WINS @ mix, 0)
        found.append(policy)
    return found


EVEN = [1 / 3] * 3


def test_self_play_runs_in_circles_and_mirror_descent_against_the_mixture_comes_to_rest() -> None:
    """L1 distances to the equilibrium, which is to play evenly."""

    def away(tau: float, step: int) -> float:
        return float((mirror_descent(0.5, tau, EVEN, step)[-1] - torch.tensor(EVEN)).abs().sum())

    assert [away(0.0, 10), away(0.0, 100)] == pytest.approx([0.84, 0.64], abs=0.005)
    assert [away(0.1, 10), away(0.1, 100), away(0.1, 500)] == pytest.approx([0.514, 0.0117, 0.0], abs=5e-4)
    assert [away(0.5, 10), away(0.5, 100)] == pytest.approx([0.059, 0.0], abs=5e-4)


@pytest.mark.parametrize(("tau", "limit"), [(0.1, [0.4600, 0.2107, 0.3293]), (0.5, [0.6490, 0.2055, 0.1455])])
def test_with_an_uneven_reference_it_rests_near_the_regularised_equilibrium(tau: float, limit: list[float]) -> None:
    *_, policy = mirror_descent(0.1, tau, [0.6, 0.3, 0.1], 3000)
    assert policy.tolist() == pytest.approx(limit, abs=1e-4)
    assert math.isclose(float(policy.sum()), 1, rel_tol=1e-5)
