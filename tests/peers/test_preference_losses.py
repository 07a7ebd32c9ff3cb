"""Losses of the same pairs and their gradients: ours, TRL's and OpenRLHF's."""

from __future__ import annotations

import pytest

from sparring import Objective
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

from .conftest import PeerAnswer
from .problem import Problem, answer, assert_same, preferences

pytestmark = [pytest.mark.peers, pytest.mark.slow]
BETA = 0.4


@pytest.mark.parametrize(
    ("case", "objective"),
    [
        ("sigmoid", make_dpo(DpoParams(beta=BETA))),
        ("sigmoid", make_spin(SpinParams(beta=BETA))),
        ("sigmoid_norm", make_dpo(DpoParams(beta=BETA, normalize="mean"))),
        ("hinge", make_spin(SpinParams(beta=BETA, loss="hinge"))),
        ("ipo", make_ipo(IpoParams(beta=BETA, normalize="mean"))),
        ("sppo_hard", make_sppo(SppoParams(eta=2.0, hard_labels=True))),
    ],
)
def test_trl(problem: Problem, trl: PeerAnswer, case: str, objective: Objective) -> None:
    assert_same(answer(problem, objective, preferences(problem)), trl.loss(case))


@pytest.mark.parametrize(
    ("case", "objective"),
    [
        ("dpo", make_dpo(DpoParams(beta=BETA))),
        ("cdpo", make_dpo(DpoParams(beta=BETA, label_smoothing=0.1))),
        ("ipo", make_ipo(IpoParams(beta=BETA, normalize="sum"))),
    ],
)
def test_openrlhf(problem: Problem, openrlhf: PeerAnswer, case: str, objective: Objective) -> None:
    assert_same(answer(problem, objective, preferences(problem)), openrlhf.loss(case))


def test_the_peers_mean_different_things_by_ipo(problem: Problem, trl: PeerAnswer, openrlhf: PeerAnswer) -> None:
    mean, total = trl.loss("ipo"), openrlhf.loss("ipo")
    assert abs(mean.loss - total.loss) > 1e-2
    largest = [max(g.abs().max().item() for g in answer.gradients.values()) for answer in (mean, total)]
    assert largest[1] > 2 * largest[0]


def test_sppo_of_the_repository_is_half_of_trls(problem: Problem, trl: PeerAnswer) -> None:
    ours = answer(problem, make_sppo(SppoParams(eta=2.0, form="repository", hard_labels=True)), preferences(problem))
    assert 2 * ours.loss == pytest.approx(trl.loss("sppo_hard").loss, rel=1e-5)


def test_metrics(problem: Problem, trl: PeerAnswer, openrlhf: PeerAnswer) -> None:
    ours = answer(problem, make_dpo(DpoParams(beta=BETA)), preferences(problem)).metrics
    assert 0 < ours["preference_accuracy"] < 1
    names = {"preference_accuracy": "accuracies", "chosen_reward": "chosen", "rejected_reward": "rejected"}
    for mine, theirs in names.items():
        assert ours[mine] == pytest.approx(trl.metric("sigmoid", theirs), abs=1e-5)
        assert ours[mine] == pytest.approx(openrlhf.metric("dpo", theirs), abs=1e-5)
    assert ours["preference_margin"] == pytest.approx(trl.metric("sigmoid", "margins"), abs=1e-5)
