"""`sft` under its normalisations, and as REINFORCE with an advantage of one."""

import pytest
import torch

from sparring.batch import ObjectiveBatch, Totals
from sparring_objectives.demonstration import Sft
from sparring_objectives.params import PolicyGradientParams, SftParams
from sparring_objectives.policy_gradient import PolicyGradient


def batch() -> ObjectiveBatch:
    """Three tokens of one demonstration and one of another, which counts twice."""
    return ObjectiveBatch(
        logprobs=torch.tensor([-1.0, -2.0, -3.0, -4.0], requires_grad=True),
        old_logprobs=torch.zeros(4),
        reference=None,
        divergence=None,
        advantages=torch.zeros(4),
        weights=torch.tensor([1.0, 1.0, 1.0, 2.0]),
        sequence=torch.tensor([0, 0, 0, 1]),
        sequences=2,
        totals=Totals(tokens=5, sequences=3),
    )


@pytest.mark.parametrize(
    ("settings", "loss"),
    [
        ({}, (1 + 2 + 3 + 2 * 4) / 5),
        ({"normalize": "sequence_mean"}, (2 + 2 * 4) / 3),
        ({"normalize": "token_sum"}, (6 + 2 * 4) / 3),
        ({"normalize": "constant", "constant": 10.0}, (6 + 2 * 4) / 3 / 10),
    ],
)
def test_minus_the_log_probability_under_each_normalisation(settings: dict[str, object], loss: float) -> None:
    got, _ = Sft(SftParams(**settings))(batch())  # type: ignore[arg-type]
    assert got.item() == pytest.approx(loss)


def test_it_is_reinforce_with_an_advantage_of_one() -> None:
    ours, theirs = batch(), batch()
    theirs.advantages = torch.ones(4)
    Sft(SftParams())(ours)[0].backward()
    PolicyGradient(PolicyGradientParams())(theirs)[0].backward()
    torch.testing.assert_close(ours.logprobs.grad, theirs.logprobs.grad)


def test_it_keeps_no_reference() -> None:
    assert Sft(SftParams()).needs_reference == "no"
