"""Losses of the same samples and their gradients: ours, TRL's and OpenRLHF's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sparring.forward import token_logprobs
from sparring_objectives.params import (
    PolicyGradientParams,
    PpoClipParams,
    SftParams,
    make_policy_gradient,
    make_ppo_clip,
    make_sft,
)
from sparring_objectives.policy_gradient import kl_term

from .conftest import PeerAnswer
from .problem import MAX_COMPLETION, Problem, answer, assert_same, demonstrations, samples, without_tools

pytestmark = [pytest.mark.peers, pytest.mark.slow]
CLIP = {"clip_eps": 0.2, "clip_eps_high": 0.28}
K3 = {"kl_coef": 0.3, "kl_estimator": "k3"}
K2 = {"kl_coef": 0.3, "kl_estimator": "k2"}


def test_log_probabilities(problem: Problem, trl: PeerAnswer, openrlhf: PeerAnswer) -> None:
    records = samples(problem)
    ours = token_logprobs(problem.model, [r.tokens for r in records], [r.positions for r in records]).logprobs
    for peer in (trl, openrlhf):
        torch.testing.assert_close(ours, peer.values["logprobs"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("case", "settings"),
    [
        ("dapo", {"normalize": "token_mean"}),
        ("bnpo", {"normalize": "token_mean"}),
        ("grpo", {"normalize": "sequence_mean"}),
        ("dr_grpo", {"normalize": "constant", "constant": float(MAX_COMPLETION)}),
        ("dapo_k3", K3),
    ],
)
def test_trl(problem: Problem, trl: PeerAnswer, case: str, settings: dict[str, Any]) -> None:
    ours = answer(problem, make_ppo_clip(PpoClipParams(**CLIP, **settings)), samples(problem))
    assert_same(ours, trl.loss(case))


@pytest.mark.parametrize(
    ("case", "settings"),
    [
        ("ppo_tokens", {"normalize": "token_mean"}),
        ("ppo_sequences", {"normalize": "sequence_mean"}),
        ("ppo_dual", {"dual_clip": 2.0}),
        ("ppo_k2", K2),
        ("ppo_k3", K3),
    ],
)
def test_openrlhf(problem: Problem, openrlhf: PeerAnswer, case: str, settings: dict[str, Any]) -> None:
    ours = answer(problem, make_ppo_clip(PpoClipParams(**CLIP, **settings)), samples(problem))
    assert_same(ours, openrlhf.loss(case))


def test_the_dual_clip_bounds_something_here(openrlhf: PeerAnswer) -> None:
    assert openrlhf.loss("ppo_dual").loss < openrlhf.loss("ppo_tokens").loss - 1e-3


def test_on_policy_both_objectives_have_the_peers_gradient(problem: Problem, trl: PeerAnswer) -> None:
    theirs, records = trl.loss("on_policy"), samples(problem)
    assert_same(answer(problem, make_ppo_clip(PpoClipParams()), records, on_policy=True), theirs)
    assert_same(answer(problem, make_policy_gradient(PolicyGradientParams()), records), theirs, loss=False)


def test_rloo_of_whole_sequences_has_on_policy_the_gradient_of_token_sums(problem: Problem, trl: PeerAnswer) -> None:
    """TRL's ratio is of a whole completion; tools are not told apart there."""
    changed = without_tools(problem)
    records = samples(changed)
    for record, advantage in zip(records, trl.advantages("rloo"), strict=True):
        record.advantages = [advantage] * len(record.positions)
    ours = answer(changed, make_policy_gradient(PolicyGradientParams(normalize="token_sum")), records)
    assert_same(ours, trl.loss("rloo"), loss=False)


def test_trl_multiplies_its_kl_by_the_ratio_unless_told_not_to(problem: Problem, trl: PeerAnswer) -> None:
    assert abs(trl.loss("dapo_k3_corrected").loss - trl.loss("dapo_k3").loss) > 1e-2
    # On policy the gradient of the ratio times k3 is that of k2.
    ours = answer(problem, make_ppo_clip(PpoClipParams(**K2)), samples(problem), on_policy=True)
    assert_same(ours, trl.loss("on_policy_k3_corrected"), loss=False)


def test_openrlhf_cuts_its_kl_at_ten_nats(openrlhf: PeerAnswer) -> None:
    assert openrlhf.values["kl_of_7_nats"].item() == 10.0
    assert kl_term(torch.tensor(-8.0), torch.tensor(-1.0), "k3").item() > 1000


def test_imitation(problem: Problem, trl: PeerAnswer, openrlhf: PeerAnswer) -> None:
    by_token = answer(problem, make_sft(SftParams()), demonstrations(problem))
    assert_same(by_token, trl.loss("sft"))
    assert_same(by_token, openrlhf.loss("sft_tokens"))
    by_sequence = answer(problem, make_sft(SftParams(normalize="sequence_mean")), demonstrations(problem))
    assert_same(by_sequence, openrlhf.loss("sft_sequences"))
    assert abs(by_sequence.loss - by_token.loss) > 1e-3
