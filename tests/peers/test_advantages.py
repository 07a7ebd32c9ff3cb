"""Advantages of the same rewards: ours, TRL's and OpenRLHF's."""

from __future__ import annotations

import math

import pytest

from sparring import AdvantageEstimator
from sparring_estimators.group_relative import GroupRelative, GroupRelativeParams
from sparring_estimators.leave_one_out import LeaveOneOut, LeaveOneOutParams
from sparring_estimators.reinforce_pp import (
    ReinforcePP,
    ReinforcePPBaseline,
    ReinforcePPBaselineParams,
    ReinforcePPParams,
)

from .conftest import PeerAnswer
from .problem import GROUP, Problem, episodes

pytestmark = [pytest.mark.peers, pytest.mark.slow]


def ours(problem: Problem, estimator: AdvantageEstimator) -> list[float]:
    trajectories = [trajectory for episode in episodes(problem) for trajectory in episode.trajectories()]
    return [advantage for (advantage,) in estimator.estimate(trajectories)]


@pytest.mark.parametrize(
    ("case", "estimator"),
    [
        ("grpo_group", GroupRelative(GroupRelativeParams(deviation="sample", eps=1e-4))),
        ("grpo_batch", GroupRelative(GroupRelativeParams(deviation="sample", eps=1e-4, std_over="batch"))),
        ("grpo_none", GroupRelative(GroupRelativeParams(divide_by_std=False))),
        ("rloo", LeaveOneOut(LeaveOneOutParams())),
    ],
)
def test_trl(problem: Problem, trl: PeerAnswer, case: str, estimator: AdvantageEstimator) -> None:
    assert ours(problem, estimator) == pytest.approx(trl.advantages(case), abs=1e-5)


@pytest.mark.parametrize(
    ("case", "estimator"),
    [
        ("group_norm", GroupRelative(GroupRelativeParams(deviation="sample", eps=1e-9))),
        ("dr_grpo", GroupRelative(GroupRelativeParams(divide_by_std=False))),
        ("rloo", LeaveOneOut(LeaveOneOutParams())),
        ("reinforce", ReinforcePP(ReinforcePPParams())),
        ("reinforce_baseline", ReinforcePPBaseline(ReinforcePPBaselineParams())),
        ("reinforce_baseline_no_std", ReinforcePPBaseline(ReinforcePPBaselineParams(divide_by_std=False))),
    ],
)
def test_openrlhf(problem: Problem, openrlhf: PeerAnswer, case: str, estimator: AdvantageEstimator) -> None:
    assert ours(problem, estimator) == pytest.approx(openrlhf.advantages(case), abs=1e-5)


def test_the_population_deviation_makes_larger_advantages_than_the_peers(problem: Problem, trl: PeerAnswer) -> None:
    mine, theirs = ours(problem, GroupRelative(GroupRelativeParams())), trl.advantages("grpo_group")
    assert mine == pytest.approx([math.sqrt(GROUP / (GROUP - 1)) * a for a in theirs], abs=1e-3)
    assert mine != pytest.approx(theirs, abs=1e-1)


def test_whitening_by_turns_is_not_what_openrlhf_does(problem: Problem, openrlhf: PeerAnswer) -> None:
    by_turns = ours(problem, ReinforcePPBaseline(ReinforcePPBaselineParams(count="turns")))
    assert by_turns != pytest.approx(openrlhf.advantages("reinforce_baseline"), abs=1e-2)
