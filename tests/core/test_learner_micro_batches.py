"""How an update is cut into micro-batches, and the order of its rows, change nothing; nor do rows that are left out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sparring import LoadedModel, Objective, PolicyGradientRecord
from sparring.batch import totals
from sparring.forward import attend_by_plan
from sparring.learner import Learner, Part
from sparring.records import PreferenceRecord, Record
from sparring.sections import TrainSpec
from sparring.trainer import Trainer
from sparring_objectives.params import PolicyGradientParams, PpoClipParams, make_policy_gradient, make_ppo_clip
from sparring_objectives.preference_params import IpoParams, make_ipo

NORMALIZE = ("token_mean", "sequence_mean", "token_sum", "constant")
Gradient = dict[str, torch.Tensor]


class Keeps:
    """An `Accelerator` that keeps the gradient of the optimizer step and the losses it is the sum of."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.model: LlamaForCausalLM | None = None
        self.gradient: Gradient = {}

    def backward(self, loss: torch.Tensor) -> None:
        self.losses.append(loss.item())
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_grad_norm_(self, parameters: Iterable[torch.nn.Parameter], limit: float) -> None:
        assert self.model is not None
        self.gradient = {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}


def update(parts: Sequence[Part], token_budget: int) -> Keeps:
    """One optimizer step of a fresh learner, whose reference is another model."""

    def model(seed: int) -> LlamaForCausalLM:
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=31, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, initializer_range=0.2, tie_word_embeddings=True,
        )  # fmt: skip
        made = LlamaForCausalLM(config).eval()
        attend_by_plan(made)
        return made

    kept: Any = Keeps()
    kept.model = model(0)
    spec: Any = SimpleNamespace(reference_refresh=0, reference_rate=1.0, learning_rate=None)
    tokenizer: Any = None
    train = TrainSpec(steps=1, token_budget=token_budget, learning_rate=1e-3)
    learner = Learner("main", LoadedModel(kept.model, tokenizer), spec, train, 1, kept)
    learner.reference = LoadedModel(model(1), tokenizer)
    learner.update(parts, 1)
    return cast(Keeps, kept)


def rows(count: int = 14) -> list[PolicyGradientRecord]:
    """Rows of two turns each that share beginnings; every third has advantage zero, and one occurs twice."""
    chance = random.Random(3)
    made = []
    for number in range(count):
        tokens = [1, 2, 3, *(chance.randrange(4, 7) for _ in range(chance.randrange(5, 12)))]
        positions = [3, *range(5, len(tokens))]
        advantages = [0.0 if number % 3 == 0 else chance.uniform(-1, 1) for _ in range(2)]
        turns = [0, *(1 for _ in positions[1:])]
        made.append(
            PolicyGradientRecord(
                "main", 0, tokens, positions, [chance.uniform(-3, 0) for _ in positions], [advantages[t] for t in turns],
                turns, 2, number, {"entry": 0}, weight=1.0 + number % 2,
            )
        )  # fmt: skip
    return [*made, replace(made[1], episode=count)]


def pairs() -> list[PreferenceRecord]:
    made = rows()
    return [
        PreferenceRecord("main", a.tokens, b.tokens, a.positions, b.positions, margin=0.5, labels={"entry": 0})
        for a, b in zip(made[::2], made[1::2], strict=False)
    ]


def policy_gradient(normalize: Any, kl: Literal["none", "k2", "k3", "full", "full_forward"] = "none") -> Objective:
    more: dict[str, Any] = {} if kl == "none" else {"kl_coef": 0.3, "kl_estimator": kl}
    return make_policy_gradient(
        PolicyGradientParams(normalize=normalize, constant=16.0 if normalize == "constant" else None, **more)
    )


OBJECTIVES = [
    *(pytest.param(policy_gradient(how), rows(), id=how) for how in NORMALIZE),
    *(pytest.param(policy_gradient(how, "full_forward"), rows(), id=f"{how} with a divergence") for how in NORMALIZE),
    pytest.param(make_ppo_clip(PpoClipParams(kl_coef=0.3)), rows(), id="clipped, with an estimated KL"),
    pytest.param(make_ipo(IpoParams(beta=1.0)), pairs(), id="pairs"),
]


def same(a: Keeps, b: Keeps) -> None:
    assert sum(a.losses) == pytest.approx(sum(b.losses), rel=1e-6, abs=1e-6)
    largest = max(value.abs().max().item() for value in b.gradient.values())
    assert largest > 1e-3
    assert a.gradient.keys() == b.gradient.keys()
    for name, value in a.gradient.items():
        torch.testing.assert_close(value, b.gradient[name], atol=1e-6 * max(1.0, largest), rtol=0, msg=name)


@pytest.mark.parametrize(("objective", "records"), OBJECTIVES)
def test_a_smaller_token_budget_changes_nothing(objective: Objective, records: Sequence[Record]) -> None:
    part = Part(objective, records, totals(records))
    small, medium, unlimited = (update([part], budget) for budget in (1, 30, 10**9))
    assert (len(small.losses), len(unlimited.losses)) == (len(records), 1)
    assert 1 < len(medium.losses) < len(small.losses)
    same(small, unlimited)
    same(medium, unlimited)


@pytest.mark.parametrize(("objective", "records"), OBJECTIVES)
def test_the_order_of_rows_changes_nothing(objective: Objective, records: Sequence[Record]) -> None:
    shuffled = random.Random(0).sample(records, len(records))
    assert shuffled != records
    a, b = (update([Part(objective, order, totals(order))], 30) for order in (records, shuffled))
    same(a, b)


@pytest.mark.parametrize("how", NORMALIZE)
def test_rows_of_advantage_zero_are_left_out_and_still_counted(how: str) -> None:
    objective, records = policy_gradient(how), rows()
    (part,) = parts_of(objective, records)
    assert len(part.records) == sum(any(record.advantages) for record in records) < len(records)
    same(update([part], 30), update([Part(objective, records, totals(records))], 30))


@pytest.mark.parametrize("kl", ["k2", "full"])
def test_a_pull_to_the_reference_keeps_rows_of_advantage_zero(kl: Literal["k2", "full"]) -> None:
    (part,) = parts_of(policy_gradient("token_mean", kl), rows())
    assert list(part.records) == rows()


def parts_of(objective: Objective, records: Sequence[Record]) -> list[Part]:
    """As the trainer makes them for one entry."""
    trainer: Any = SimpleNamespace(entries=[SimpleNamespace(objective=objective)])
    return Trainer._parts(trainer, records)


def test_parts_of_one_step_are_added() -> None:
    objective, records = policy_gradient("token_mean"), rows()
    halves = [records[:7], records[7:]]
    both = update([Part(objective, half, totals(half)) for half in halves], 30)
    alone = [update([Part(objective, half, totals(half))], 30) for half in halves]
    for name, value in both.gradient.items():
        torch.testing.assert_close(value, alone[0].gradient[name] + alone[1].gradient[name], atol=1e-6, rtol=0)
