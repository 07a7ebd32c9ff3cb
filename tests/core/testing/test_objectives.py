"""A sound objective passes, and each way of breaking it is caught."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sparring import Objective, RecordKind
from sparring.batch import ObjectiveBatch
from sparring.plugins import load_plugins
from sparring.testing import CheckFailed, check_objective, make

Returned = tuple[torch.Tensor, dict[str, torch.Tensor]]


class Reinforce:
    """Minus advantage times log-probability, over all tokens of the optimizer step."""

    needs_reference: Any = "no"

    def __call__(self, batch: ObjectiveBatch) -> Returned:
        values = -batch.advantages * batch.logprobs
        return batch.reduce(values, "token_mean"), {"surprise": batch.mean_of(-batch.logprobs)}


class WithReference(Reinforce):
    needs_reference = "tokens"

    def __call__(self, batch: ObjectiveBatch) -> Returned:
        assert batch.reference is not None
        values = -batch.advantages * batch.logprobs + 0.1 * (batch.logprobs - batch.reference) ** 2
        return batch.reduce(values, "sequence_mean"), {
            "far_max": (batch.logprobs.detach() - batch.reference).abs().max()
        }


class Logistic(Reinforce):
    """Chosen answers more likely than rejected ones."""

    def __call__(self, batch: ObjectiveBatch) -> Returned:
        sums = batch.sums(batch.logprobs)
        return batch.mean_over_pairs(-torch.nn.functional.logsigmoid(sums[0::2] - sums[1::2])), {}


class Imitate(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return batch.reduce(-batch.logprobs, "token_mean"), {}


@pytest.mark.parametrize(
    ("objective", "record"),
    [
        (Reinforce(), "policy_gradient"),
        (WithReference(), "policy_gradient"),
        (Logistic(), "preference"),
        (Imitate(), "demonstration"),
    ],
    ids=["Reinforce", "WithReference", "Logistic", "Imitate"],
)
def test_a_sound_objective_passes(objective: Objective, record: RecordKind) -> None:
    for seed in range(5):
        check_objective(objective, record=record, seed=seed)


BUNDLED = [(c.name, getattr(c.params, "record", "policy_gradient")) for c in load_plugins().registry.all("objective")]


@pytest.mark.parametrize(("name", "record"), BUNDLED)
def test_bundled_objectives_pass(name: str, record: RecordKind) -> None:
    check_objective(make("objective", name), record=record)


@pytest.mark.parametrize("estimator", ["full", "full_forward", "k2", "k3"])
def test_bundled_divergences_pass(estimator: str) -> None:
    check_objective(make("objective", "policy_gradient", kl_coef=0.3, kl_estimator=estimator))


# ---- faults ----------------------------------------------------------------------------------------------------------


class Uphill(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        loss, metrics = super().__call__(batch)
        return -loss, metrics


class MeanOfTheBatch(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return (-batch.advantages * batch.logprobs * batch.weights).sum() / batch.weights.sum(), {}


class MetricOfTheBatch(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return super().__call__(batch)[0], {"surprise": -batch.logprobs.detach().mean()}


class Weightless(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return (-batch.advantages * batch.logprobs).sum() / batch.totals.tokens, {}


class Detached(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return batch.reduce(-batch.advantages * batch.logprobs.detach(), "token_mean"), {}


class Constant(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return batch.reduce(0.0 * batch.logprobs, "token_mean"), {}


class PerToken(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return -batch.advantages * batch.logprobs, {}


class LossAlone(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Any:
        return batch.reduce(-batch.advantages * batch.logprobs, "token_mean")


class Explodes(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return batch.reduce(torch.exp(-1000 * batch.logprobs), "token_mean"), {}


class RootAtZero(Reinforce):
    """Finite itself, with a gradient that is not, where policy and sampling policy agree."""

    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return super().__call__(batch)[0] + batch.reduce(
            (batch.logprobs - batch.old_logprobs).abs().sqrt(), "token_mean"
        ), {}


class NanMetric(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return super().__call__(batch)[0], {"odd": torch.tensor(float("nan"))}


class LiveMetric(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        return super().__call__(batch)[0], {"live": batch.logprobs.max()}


class Undemanding(WithReference):
    needs_reference = "no"


class Unclear(Reinforce):
    needs_reference = "yes"


class Random(Reinforce):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        loss, metrics = super().__call__(batch)
        return loss * (1 + torch.rand(())), metrics


class FirstTwice(Reinforce):
    """The first token of a batch counts twice."""

    def __call__(self, batch: ObjectiveBatch) -> Returned:
        values = -batch.advantages * batch.logprobs
        return batch.reduce(values, "token_mean") + values[0] * batch.weights[0] / batch.totals.tokens, {}


class Swapped(Logistic):
    def __call__(self, batch: ObjectiveBatch) -> Returned:
        sums = batch.sums(batch.logprobs)
        return batch.mean_over_pairs(-torch.nn.functional.logsigmoid(sums[1::2] - sums[0::2])), {}


FAULTS: list[tuple[Objective, RecordKind, str]] = [
    (Uphill(), "policy_gradient", "a token that should become"),
    (MeanOfTheBatch(), "policy_gradient", r"cut into 3 micro-batches .*, the loss is"),
    (MetricOfTheBatch(), "policy_gradient", "cut into 3 micro-batches .*, the metric 'surprise' is"),
    (Weightless(), "policy_gradient", "a record of weight 0 has the gradient"),
    (Detached(), "policy_gradient", "carries no gradient"),
    (Constant(), "policy_gradient", "gradient of zero everywhere"),
    (PerToken(), "policy_gradient", "instead of a scalar tensor"),
    (LossAlone(), "policy_gradient", "instead of a loss and a mapping"),
    (Explodes(), "policy_gradient", "the loss is inf"),
    (RootAtZero(), "policy_gradient", "the gradient is not finite"),
    (NanMetric(), "policy_gradient", "the metric 'odd' is nan"),
    (LiveMetric(), "policy_gradient", "the metric 'live' carries a gradient"),
    (Undemanding(), "policy_gradient", "raises AssertionError"),
    (Unclear(), "policy_gradient", "needs_reference is 'yes'; there are no, tokens"),
    (Random(), "policy_gradient", "given the same batch twice"),
    (FirstTwice(), "policy_gradient", "micro-batches|in another order"),
    (Swapped(), "preference", "a token that should become likelier"),
    (Uphill(), "demonstration", "gradient of zero everywhere"),
]


@pytest.mark.parametrize(("objective", "record", "message"), FAULTS, ids=[type(o).__name__ for o, _, _ in FAULTS])
def test_a_broken_objective_is_caught(objective: Objective, record: RecordKind, message: str) -> None:
    with pytest.raises(CheckFailed, match=message) as caught:
        check_objective(objective, record=record, seed=3)
    assert str(caught.value).startswith(f"{type(objective).__name__}, seed 3, {record} records: ")


def test_an_objective_that_goes_another_way_may_say_so() -> None:
    check_objective(Uphill(), direction=False)
