"""Objectives against values worked out by hand, and the four normalisations against their definitions."""

import math

import pytest
import torch
from pydantic import ValidationError

from sparring.batch import ObjectiveBatch, Totals
from sparring_objectives.params import PolicyGradientParams, PpoClipParams
from sparring_objectives.policy_gradient import PolicyGradient, PpoClip, kl_term


def batch(logprobs: list[float], **more: object) -> ObjectiveBatch:
    count = len(logprobs)
    values: dict[str, object] = {
        "logprobs": torch.tensor(logprobs, requires_grad=True),
        "old_logprobs": torch.tensor([-1.0] * count),
        "reference": None,
        "divergence": None,
        "advantages": torch.tensor([1.0] * count),
        "weights": torch.ones(count),
        "sequence": torch.tensor([0, 0, 1][:count]),
        "sequences": 2,
        "totals": Totals(tokens=count, sequences=2),
    }
    return ObjectiveBatch(**{**values, **more})  # type: ignore[arg-type]


def test_normalisations_by_hand() -> None:
    values = torch.tensor([1.0, 3.0, 5.0])
    b = batch([0.0, 0.0, 0.0])
    assert b.reduce(values, "token_mean").item() == pytest.approx(9 / 3)
    assert b.reduce(values, "sequence_mean").item() == pytest.approx((2 + 5) / 2)
    assert b.reduce(values, "token_sum").item() == pytest.approx((4 + 5) / 2)
    assert b.reduce(values, "constant", 10.0).item() == pytest.approx((4 + 5) / 2 / 10)


@pytest.mark.parametrize(
    ("logprob", "advantage", "loss", "slope"),
    [
        (-1.0, 2.0, -2.0, -2.0),  # ratio 1: plain policy gradient
        (-1 + math.log(1.5), 1.0, -1.2, 0.0),  # above 1.2 with a gain: clipped, no gradient
        (-1 + math.log(1.5), -1.0, 1.5, 1.5),  # above 1.2 with a loss: not clipped
        (-1 + math.log(0.5), -1.0, 0.8, 0.0),  # below 0.8 with a loss: clipped
        (-1 + math.log(0.5), 1.0, -0.5, -0.5),
    ],
)
def test_clipped_surrogate_by_hand(logprob: float, advantage: float, loss: float, slope: float) -> None:
    b = batch([logprob], advantages=torch.tensor([advantage]), totals=Totals(1, 1), sequences=1)
    got, _ = PpoClip(PpoClipParams(clip_eps=0.2))(b)
    got.backward()
    assert got.item() == pytest.approx(loss, rel=1e-5)
    assert b.logprobs.grad is not None
    assert b.logprobs.grad.item() == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_policy_gradient_is_minus_advantage_times_logprob_plus_kl() -> None:
    b = batch(
        [-1.0], reference=torch.tensor([-1.5]), advantages=torch.tensor([0.5]), totals=Totals(1, 1), sequences=1
    )
    got, metrics = PolicyGradient(PolicyGradientParams(kl_coef=0.3, kl_estimator="k2"))(b)
    assert got.item() == pytest.approx(0.5 + 0.3 * 0.125)
    assert metrics["kl"].item() == pytest.approx(0.125)


def test_on_policy_the_gradient_of_k2_is_that_of_the_reverse_kl() -> None:
    """E_π[∇ k2] over all outcomes equals ∇ KL(π || reference), exactly."""
    logits = torch.tensor([0.2, -0.4, 1.0], requires_grad=True)
    reference = torch.log_softmax(torch.tensor([0.5, 0.1, -0.3]), 0)
    logps = torch.log_softmax(logits, 0)
    (logps.exp() * (logps - reference)).sum().backward()
    exact = logits.grad.clone() if logits.grad is not None else None
    logits.grad = None
    logps = torch.log_softmax(logits, 0)
    (logps.exp().detach() * kl_term(logps, reference, "k2")).sum().backward()
    torch.testing.assert_close(logits.grad, exact)


def test_k3_is_never_negative_and_vanishes_at_the_reference() -> None:
    logps = torch.linspace(-5, 0, 21)
    values = kl_term(logps, torch.full_like(logps, -2.0), "k3")
    assert (values >= 0).all()
    assert kl_term(torch.tensor(-2.0), torch.tensor(-2.0), "k3").item() == 0


@pytest.mark.parametrize("given", [{"normalize": "constant"}, {"constant": 4096.0}])
def test_a_constant_without_its_normalisation_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="constant"):
        PolicyGradientParams(**given)  # type: ignore[arg-type]
