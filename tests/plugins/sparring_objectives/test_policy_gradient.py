"""Objectives against values worked out by hand, and the four normalisations against their definitions."""

import math

import pytest
import torch
from pydantic import ValidationError

from sparring.batch import ObjectiveBatch, Totals
from sparring_objectives.params import PolicyGradientParams, PpoClipParams, TruncatedImportanceParams
from sparring_objectives.policy_gradient import PolicyGradient, PpoClip, TruncatedImportance, kl_term


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
    b = batch([-1.0], reference=torch.tensor([-1.5]), advantages=torch.tensor([0.5]), totals=Totals(1, 1), sequences=1)
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


# Two sequences of three tokens and one; a gain and a loss. Ratios 1.2, 0.5, 2 and 3.5.
NEW, OLD, HALF = [0.6, 0.2, 0.5, 0.7], [0.5, 0.4, 0.25, 0.2], [0.5] * 4
GAINS = [1.0, 1.0, 1.0, -1.0]


def two_sequences() -> ObjectiveBatch:
    new, old, half = (torch.tensor(p, dtype=torch.float64).log() for p in (NEW, OLD, HALF))
    return ObjectiveBatch(
        logprobs=new.requires_grad_(), old_logprobs=old, reference=half, divergence=None,
        advantages=torch.tensor(GAINS, dtype=torch.float64), weights=torch.ones(4, dtype=torch.float64),
        sequence=torch.tensor([0, 0, 0, 1]), sequences=2, totals=Totals(tokens=4, sequences=2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "token_mean", "sequence_mean", "token_sum"),
    [
        ({}, 0.15, 1.266667, 0.3),
        ({"clip_eps_high": 0.28}, 0.13, 1.253333, 0.26),
        ({"dual_clip": 3.0}, 0.025, 1.016667, 0.05),
    ],
)
def test_clipped_surrogates_under_every_normalisation(
    settings: dict[str, float], token_mean: float, sequence_mean: float, token_sum: float
) -> None:
    for normalize, expected in (
        ("token_mean", token_mean),
        ("sequence_mean", sequence_mean),
        ("token_sum", token_sum),
        ("constant", token_sum / 3),
    ):
        constant = 3.0 if normalize == "constant" else None
        params = PpoClipParams(normalize=normalize, constant=constant, **settings)  # type: ignore[arg-type]
        got, _ = PpoClip(params)(two_sequences())
        assert got.item() == pytest.approx(expected, abs=1e-6)


def test_reinforce_under_two_normalisations() -> None:
    for normalize, expected in (("token_mean", 0.614184), ("token_sum", 1.228368)):
        got, _ = PolicyGradient(PolicyGradientParams(normalize=normalize))(two_sequences())  # type: ignore[arg-type]
        assert got.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("estimator", "values"),
    [("k2", [0.016621, 0.419794, 0, 0.056607]), ("k3", [0.015655, 0.583709, 0, 0.050758])],
)
def test_kl_terms_by_hand(estimator: str, values: list[float]) -> None:
    b = two_sequences()
    assert b.reference is not None
    assert kl_term(b.logprobs, b.reference, estimator).tolist() == pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (5.0, -1.0, 3.0, 0.0),  # bounded, and nothing pulls it back
        (2.0, -1.0, 2.0, 2.0),  # below the bound
        (0.5, -1.0, 0.8, 0.0),  # the ordinary clip
        (5.0, 1.0, -1.2, 0.0),  # a gain is none of its business
    ],
)
def test_the_dual_clip_bounds_the_loss_of_tokens_that_are_to_go(
    ratio: float, advantage: float, loss: float, slope: float
) -> None:
    b = batch(
        [-1 + math.log(ratio)], advantages=torch.tensor([advantage]), totals=Totals(1, 1), sequences=1,
    )  # fmt: skip
    got, metrics = PpoClip(PpoClipParams(dual_clip=3.0))(b)
    got.backward()
    assert got.item() == pytest.approx(loss, rel=1e-5)
    assert b.logprobs.grad is not None
    assert b.logprobs.grad.item() == pytest.approx(slope, rel=1e-5, abs=1e-7)
    assert metrics["dual_clip_rate"].item() == (ratio == 5.0 and advantage < 0)


def test_a_dual_clip_that_would_bound_what_is_on_policy_is_refused() -> None:
    with pytest.raises(ValidationError, match="dual_clip"):
        PpoClipParams(dual_clip=1.0)


def test_on_policy_both_objectives_have_the_gradient_of_reinforce() -> None:
    slopes = []
    for objective in (PpoClip(PpoClipParams(dual_clip=3.0)), PolicyGradient(PolicyGradientParams())):
        b = two_sequences()
        b.old_logprobs = b.logprobs.detach().clone()
        objective(b)[0].backward()
        slopes.append(b.logprobs.grad)
    torch.testing.assert_close(slopes[0], slopes[1])
    torch.testing.assert_close(slopes[1], -torch.tensor(GAINS, dtype=torch.float64) / 4)


@pytest.mark.parametrize(
    ("ratio", "weight", "clipped"), [(0.5, 0.5, 0.0), (1.0, 1.0, 0.0), (1.5, 1.5, 0.0), (3.0, 2.0, 1.0)]
)
@pytest.mark.parametrize("advantage", [0.7, -0.7])
def test_truncated_weights_by_hand(ratio: float, weight: float, clipped: float, advantage: float) -> None:
    """The gradient is the weighted policy gradient on both sides of zero, not cut off above the cap."""
    b = batch([-1 + math.log(ratio)], advantages=torch.tensor([advantage]), totals=Totals(1, 1), sequences=1)
    loss, metrics = TruncatedImportance(TruncatedImportanceParams(cap=2.0))(b)
    loss.backward()
    assert b.logprobs.grad is not None
    assert b.logprobs.grad.item() == pytest.approx(-weight * advantage, rel=1e-5)
    assert metrics["clip_rate"].item() == clipped
    assert metrics["ratio_max"].item() == pytest.approx(ratio, rel=1e-5)


def test_untruncated_weights_make_the_gradient_that_of_the_present_policy() -> None:
    """E_old[∇L] over all outcomes equals E_π[∇L] exactly, as long as no weight reaches the cap."""
    logits, old = torch.tensor([0.2, -0.4, 1.0], requires_grad=True), torch.tensor([0.5, 0.1, 0.6])
    advantages = torch.tensor([1.0, -2.0, 0.5])

    def gradient(sampled: torch.Tensor, objective: PolicyGradient) -> torch.Tensor:
        logits.grad = None
        more = {"old_logprobs": torch.log_softmax(old, 0), "advantages": advantages, "weights": sampled.detach()}
        b = batch([0.0] * 3, **more, totals=Totals(1, 1), sequences=3, sequence=torch.arange(3))
        b.logprobs = torch.log_softmax(logits, 0)
        objective(b)[0].backward()
        assert logits.grad is not None
        return logits.grad.clone()

    right = gradient(torch.softmax(logits, 0), PolicyGradient(PolicyGradientParams()))
    weighed = gradient(torch.softmax(old, 0), TruncatedImportance(TruncatedImportanceParams(cap=100.0)))
    torch.testing.assert_close(weighed, right)
    plain = gradient(torch.softmax(old, 0), PolicyGradient(PolicyGradientParams()))
    assert not torch.allclose(plain, right, atol=1e-2)
