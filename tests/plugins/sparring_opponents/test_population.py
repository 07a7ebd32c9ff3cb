"""Admission on convergence: the order of the tests, and what a win rate is of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import pstdev
from typing import Any

import pytest
from pydantic import ValidationError

from sparring import Match
from sparring_opponents.members import Population as Known
from sparring_opponents.population import Population, PopulationParams


def match(opponent: int, total: float) -> Match:
    return Match("main", "rps", opponent, {"player_0": total})


def due(rates: Sequence[float], steps: int, **more: Any) -> bool:
    params = {"window": 4, "mean": 0.7, "deviation": 0.05, "least_steps": 6, "most_steps": 20, **more}
    return Population(PopulationParams(**params)).due(Known(steps=steps, win_rates=list(rates)), 0)


def test_the_order_of_the_tests() -> None:
    good = [0.75, 0.8, 0.8, 0.85]
    assert pstdev(good) == pytest.approx(0.0353553, abs=1e-6)
    assert due(good, 6)
    assert not due(good[1:], 6)  # fewer than the window
    assert not due(good[1:], 1000)  # that comes before the most steps
    assert not due(good, 5)  # too early, however good
    assert due([0, 1, 0, 1], 21)  # after the most steps, however bad
    assert not due([0, 1, 0, 1], 20)
    assert not due([0.6, 0.7, 0.7, 0.7], 10)  # mean 0.675
    assert due([0.7, 0.7, 0.7, 0.7], 10)  # at least
    assert not due([0.6, 0.7, 0.8, 0.9], 10)  # mean 0.75, deviation 0.112


def test_the_deviation_is_the_populations() -> None:
    # 0.05 with n = 2; with n - 1 it would be 0.0707.
    assert due([0.86, 0.96], 10, window=2, mean=0.9, deviation=0.0501)


def test_a_policy_that_wins_becomes_a_member_when_it_has_settled() -> None:
    pool = Population(PopulationParams(window=3, mean=0.9, deviation=0.02, least_steps=2, most_steps=50, matches=1))
    wins = [0.5, 0.8, 0.9, 0.9, 1.0, 0.9, 0.9, 0.9]
    when = []
    for step, share in enumerate(wins, start=1):
        won = round(share * 10)
        pool.matches_ended([match(0, 1.0)] * won + [match(0, -1.0)] * (10 - won))
        pool.step_ended("main", step)
        when.append(len(pool.members("main")))
    # 0.9, 1.0, 0.9 deviates by 0.047; three of 0.9 come at step 8.
    assert when == [1, 1, 1, 1, 1, 1, 1, 2]
    assert pool.members("main") == [0, 8]
    known = pool.state_dict()["main"]
    assert (known["steps"], known["win_rates"], known["due"]) == (0, [], False)


def test_a_win_rate_is_one_against_the_meta_strategy() -> None:
    pool = Population(PopulationParams(window=5, least_steps=0))
    known = pool._populations["main"]
    known.table.add(10, [None])
    known.table.add(20, [None, None])
    known.meta = [0.25, 0.75, 0.0]
    pool.matches_ended([match(0, 1.0)] * 9 + [match(10, -1.0), match(20, 1.0), match(20, 1.0)])
    assert known.win_rates == [0.25]  # not by how often each was met, and the last is not of the strategy
    pool.matches_ended([match(0, 1.0), match(0, 0.0)])
    assert known.win_rates == [0.25, 0.75]  # of those that were met
    pool.matches_ended([match(20, 1.0)])
    assert known.win_rates == [0.25, 0.75]
    assert known.steps == 3


def test_most_steps_is_the_clock_of_noisy_games() -> None:
    pool = Population(PopulationParams(window=4, least_steps=2, most_steps=10, solver="fsp"))
    for step in range(1, 34):
        pool.matches_ended([match(pool.members("main")[-1], 1.0 if step % 2 else -1.0)])
        pool.step_ended("main", step)
    assert pool.members("main") == [0, 11, 22, 33]


def test_state_makes_a_twin_in_the_middle_of_a_window() -> None:
    pool, twin = (Population(PopulationParams(window=4, least_steps=2, most_steps=6, matches=2)) for _ in range(2))

    def steps(sampler: Population, numbers: range) -> None:
        for step in numbers:
            sampler.matches_ended([match(member, (-1.0) ** step) for member in sampler.members("main")] * 2)
            sampler.step_ended("main", step)

    steps(pool, range(1, 10))
    twin.load_state_dict(json.loads(json.dumps(pool.state_dict())))
    steps(pool, range(10, 25))
    steps(twin, range(10, 25))
    assert twin.state_dict() == pool.state_dict()
    assert len(pool.members("main")) > 2


def test_steps_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"'least_steps' \(50\) is more than 'most_steps' \(10\)"):
        PopulationParams(most_steps=10)
