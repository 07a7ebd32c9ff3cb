"""Objectives over pairs against values worked out by hand and against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from sparring import Objective
from sparring.batch import ObjectiveBatch, Totals
from sparring_objectives.params import PolicyGradientParams
from sparring_objectives.policy_gradient import PolicyGradient
from sparring_objectives.preference_params import (
    DpoParams,
    IpoParams,
    SpinParams,
    SppoParams,
    make_dpo,
    make_ipo,
    make_spin,
    make_sppo,
)

Answer = tuple[list[float], list[float]]  # log-probabilities of its tokens, and the reference's


def batch(
    pairs: list[tuple[Answer, Answer]], *, wins: list[tuple[float, float]] | None = None, weights: list[float] | None = None,
    whole: float | None = None,
) -> ObjectiveBatch:  # fmt: skip
    """``whole``: how many pairs the optimizer step has."""
    answers = [answer for pair in pairs for answer in pair]
    weights = weights or [1.0] * len(pairs)
    wins = wins or [(1.0, 0.0)] * len(pairs)
    lengths = [len(ours) for ours, _ in answers]

    def flat(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)

    count = sum(lengths)
    return ObjectiveBatch(
        logprobs=flat([v for ours, _ in answers for v in ours]).requires_grad_(),
        old_logprobs=flat([0.0] * count),
        reference=flat([v for _, theirs in answers for v in theirs]),
        divergence=None,
        advantages=flat([0.0] * count),
        weights=flat([weights[i // 2] for i, n in enumerate(lengths) for _ in range(n)]),
        sequence=torch.tensor([i for i, n in enumerate(lengths) for _ in range(n)]),
        sequences=len(answers),
        totals=Totals(count, sum(weights) if whole is None else whole),
        chosen_win=flat([chosen for chosen, _ in wins]),
        rejected_win=flat([rejected for _, rejected in wins]),
        margin=flat([0.0] * len(pairs)),
        pair_weights=flat(weights),
    )


def spread(total: float, tokens: int) -> list[float]:
    """``tokens`` log-probabilities that add up to ``total``, not all equal."""
    return [2 * total * (i + 1) / tokens / (tokens + 1) for i in range(tokens)]


# Sums of five tokens and of four: the log-ratios are 1 and -0.5.
PAIR: tuple[Answer, Answer] = ((spread(-10, 5), spread(-11, 5)), (spread(-12, 4), spread(-11.5, 4)))


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        (make_dpo(DpoParams(beta=0.1)), 0.6209570478),
        (make_dpo(DpoParams(beta=0.1, label_smoothing=0.1)), 0.6359570478),
        (make_dpo(DpoParams(beta=0.1, normalize="mean")), math.log1p(math.exp(-0.1 * (1 / 5 + 0.5 / 4)))),
        (make_spin(SpinParams(beta=0.1)), 0.6209570478),
        (make_spin(SpinParams(beta=5.0)), 0.0005529315),
        (make_spin(SpinParams(beta=0.1, loss="hinge")), 0.85),
        (make_ipo(IpoParams(beta=0.1)), 12.25),
        (make_ipo(IpoParams(beta=0.1, normalize="mean")), 21.855625),
        (make_sppo(SppoParams(eta=1.0, form="repository")), 0.29),
        (make_sppo(SppoParams(eta=1000.0, form="repository")), 64600.625),
        (make_sppo(SppoParams(eta=1.0)), 0.58),
        (make_sppo(SppoParams(eta=1.0, hard_labels=True)), 0.25),
        (make_sppo(SppoParams(eta=1.0, hard_labels=True, form="repository")), 0.125),
    ],
)
def test_losses_by_hand(objective: Objective, loss: float) -> None:
    got, _ = objective(batch([PAIR], wins=[(0.8, 0.3)]))
    assert got.item() == pytest.approx(loss, abs=1e-9, rel=1e-9)


def at_reference(objective: Objective, chosen: int = 5, rejected: int = 4, **more: Any) -> torch.Tensor:
    """The gradient with respect to the tokens' log-probabilities where policy and reference are equal."""
    same = ((spread(-10, chosen),) * 2, (spread(-12, rejected),) * 2)
    b = batch([same], **more)
    objective(b)[0].backward()
    assert b.logprobs.grad is not None
    return b.logprobs.grad


@pytest.mark.parametrize(
    ("objective", "scale"),
    [
        (make_dpo(DpoParams(beta=0.3)), 0.15),
        (make_spin(SpinParams(beta=0.3)), 0.15),
        (make_spin(SpinParams(beta=0.3, loss="hinge")), 0.3),
        (make_ipo(IpoParams(beta=0.3)), 1 / 0.3),
    ],
)
def test_at_the_reference_they_are_reinforce_with_one_for_chosen_and_minus_one_for_rejected(
    objective: Objective, scale: float
) -> None:
    expected = torch.tensor([-scale] * 5 + [scale] * 4, dtype=torch.float64)
    torch.testing.assert_close(at_reference(objective), expected)


def test_at_the_reference_sppo_is_reinforce_with_how_much_more_than_half_an_answer_wins() -> None:
    eta, wins = 40.0, (0.9, 0.35)
    repository = at_reference(make_sppo(SppoParams(eta=eta, form="repository")), wins=[wins])
    b = batch([PAIR])
    advantages = [eta * (wins[0] - 0.5)] * 5 + [eta * (wins[1] - 0.5)] * 4
    b.advantages, b.totals = torch.tensor(advantages, dtype=torch.float64), Totals(9, 1)
    PolicyGradient(PolicyGradientParams(normalize="token_sum"))(b)[0].backward()
    torch.testing.assert_close(repository, b.logprobs.grad)
    paper = at_reference(make_sppo(SppoParams(eta=eta)), wins=[wins])
    torch.testing.assert_close(paper, 2 * repository)


def test_sppo_rests_where_every_log_ratio_is_what_its_wins_ask_for() -> None:
    """The multiplicative update: policy proportional to reference times exp(eta P)."""
    wins = (0.75, 0.3)
    pair = tuple(([-2.0 + 4 * (win - 0.5), -1.0], [-2.0, -1.0]) for win in wins)
    b = batch([pair], wins=[wins])  # type: ignore[list-item]
    loss, _ = make_sppo(SppoParams(eta=4.0))(b)
    loss.backward()
    assert loss.item() == pytest.approx(0)
    torch.testing.assert_close(b.logprobs.grad, torch.zeros(4, dtype=torch.float64))


def test_ipo_rests_at_its_margin_and_goes_back_beyond_it() -> None:
    for ratio, sign in ((0.0, -1), (5.0, 0), (9.0, 1)):
        b = batch([(([-1.0 + ratio], [-1.0]), ([-2.0], [-2.0]))])
        make_ipo(IpoParams(beta=0.1))(b)[0].backward()
        assert b.logprobs.grad is not None
        assert torch.sign(b.logprobs.grad).tolist() == [sign, -sign]


OBJECTIVES = [
    make_dpo(DpoParams()),
    make_dpo(DpoParams(normalize="mean", label_smoothing=0.2)),
    make_spin(SpinParams()),
    make_ipo(IpoParams(normalize="mean")),
    make_sppo(SppoParams(eta=3.0)),
]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_shares_of_micro_batches_add_up_and_weights_are_repetitions(objective: Objective) -> None:
    other: tuple[Answer, Answer] = ((spread(-3, 2), spread(-4, 2)), (spread(-9, 6), spread(-5, 6)))
    wins = [(0.8, 0.3), (0.6, 0.1)]
    whole, metrics = objective(batch([PAIR, other], wins=wins, weights=[1.0, 2.0]))
    parts = [objective(batch([PAIR], wins=wins[:1], whole=3)), *[objective(batch([other], wins=wins[1:], whole=3))] * 2]
    assert sum(loss.item() for loss, _ in parts) == pytest.approx(whole.item())
    for name, value in metrics.items():
        assert sum(more[name].item() for _, more in parts) == pytest.approx(value.item())


def test_metrics_of_implicit_rewards() -> None:
    wrong: tuple[Answer, Answer] = (([-2.0], [-1.0]), ([-1.0], [-3.0]))
    tie: tuple[Answer, Answer] = (([-1.0], [-1.0]), ([-1.0], [-1.0]))
    _, metrics = make_dpo(DpoParams(beta=0.5))(batch([PAIR, wrong, tie]))
    assert metrics["preference_accuracy"].item() == pytest.approx(1 / 3)  # a tie prefers nothing
    assert metrics["chosen_reward"].item() == pytest.approx(0.5 * (1 - 1 + 0) / 3)
    assert metrics["rejected_reward"].item() == pytest.approx(0.5 * (-0.5 + 2 + 0) / 3)
    assert metrics["preference_margin"].item() == pytest.approx(0.5 * (1.5 - 3 + 0) / 3)
    assert not any(value.requires_grad for value in metrics.values())


@pytest.mark.parametrize("gap", [-1e5, 1e5])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_far_margins_stay_finite(objective: Objective, gap: float) -> None:
    b = batch([(([gap], [0.0]), ([0.0], [0.0]))])
    loss, _ = objective(b)
    loss.backward()
    assert b.logprobs.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(b.logprobs.grad).all()


def test_a_smoothing_that_turns_pairs_round_is_refused() -> None:
    with pytest.raises(ValidationError, match="label_smoothing"):
        DpoParams(label_smoothing=0.5)
