"""`reinforce_pp` and `reinforce_pp_baseline` against the values of two libraries, and what whitening does."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring import Span, Trajectory, Turn
from sparring_estimators.reinforce_pp import (
    ReinforcePP,
    ReinforcePPBaseline,
    ReinforcePPBaselineParams,
    ReinforcePPParams,
)

VERL: dict[str, Any] = {"deviation": "sample", "eps": 1e-8, "eps_placement": "variance_plus"}
OPENRLHF: dict[str, Any] = {}


def turn(reward: float, tokens: int, role: str = "solver", start: int = 0) -> Turn:
    spans = [Span("given", [7, 7]), Span("sampled", [1] * tokens), Span("tool", [8])]
    return Turn(role, "main", 0, 0, 0, spans, "", "", labels={"role": role, "start": start}, reward=reward)


def trajectory(*turns: Turn) -> Trajectory:
    return Trajectory(0, turns[0].role, list(turns))


def golden() -> list[Trajectory]:
    """Two groups of four; the second one's returns are all equal."""
    first = zip([1, 0, 0, 0.5], [3, 2, 4, 1], strict=True)
    return [trajectory(turn(r, n)) for r, n in first] + [trajectory(turn(2, 2, start=1)) for _ in range(4)]


@pytest.mark.parametrize(
    ("settings", "first", "second"),
    [
        (VERL, [-0.091422, -1.188481, -1.188481, -0.639951], 1.005638),
        (OPENRLHF, [-0.094072, -1.222937, -1.222937, -0.658505], 1.034793),
    ],
)
def test_reinforce_pp_as_the_libraries_have_it(settings: dict[str, Any], first: list[float], second: float) -> None:
    got = [a for (a,) in ReinforcePP(ReinforcePPParams(**settings)).estimate(golden())]
    assert got == pytest.approx(first + [second] * 4, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "first", "second"),
    [
        (VERL, [1.849863, -1.045575, -1.045575, 0.402144], 0.040214),
        (OPENRLHF, [1.903494, -1.075888, -1.075888, 0.413803], 0.041380),
    ],
)
def test_the_baseline_form_as_the_libraries_have_it(
    settings: dict[str, Any], first: list[float], second: float
) -> None:
    got = [a for (a,) in ReinforcePPBaseline(ReinforcePPBaselineParams(**settings)).estimate(golden())]
    assert got == pytest.approx(first + [second] * 4, abs=1e-6)


def test_a_key_whitens_each_role_by_itself() -> None:
    """Zero-sum returns of a role that mostly wins: over both roles the mean is 0, within a role it is not."""
    rows = []
    for start, result in enumerate([1, 1, 1, -1]):
        rows += [trajectory(turn(result, 2, "first", start)), trajectory(turn(-result, 2, "second", start))]
    whole = [a for (a,) in ReinforcePP(ReinforcePPParams()).estimate(rows)]
    assert whole == pytest.approx([1, -1, 1, -1, 1, -1, -1, 1])
    apart = [a for (a,) in ReinforcePP(ReinforcePPParams(key=["role"])).estimate(rows)]
    win, loss = 0.5 / math.sqrt(0.75), -1.5 / math.sqrt(0.75)
    assert apart == pytest.approx([win, -win, win, -win, win, -win, loss, -loss])


def test_turns_count_by_their_trained_tokens_or_as_one() -> None:
    rows = [trajectory(turn(0, 3)), trajectory(turn(1, 1))]
    by_token = [a for (a,) in ReinforcePP(ReinforcePPParams()).estimate(rows)]
    assert by_token == pytest.approx([-0.25 / math.sqrt(0.1875), 0.75 / math.sqrt(0.1875)])
    by_turn = [a for (a,) in ReinforcePP(ReinforcePPParams(count="turns")).estimate(rows)]
    assert by_turn == pytest.approx([-1, 1])


def test_rewards_ahead_are_discounted_by_turns() -> None:
    params = ReinforcePPParams(gamma=0.5, divide_by_std=False, count="turns")
    got = ReinforcePP(params).estimate([trajectory(turn(0, 1), turn(0, 5), turn(4, 1))])
    mean = (1 + 2 + 4) / 3
    assert got == [pytest.approx([1 - mean, 2 - mean, 4 - mean])]


def test_nothing_to_whiten_is_zero() -> None:
    for estimator in (
        ReinforcePP(ReinforcePPParams(**VERL)),
        ReinforcePPBaseline(ReinforcePPBaselineParams(**VERL, singleton="passthrough")),
    ):
        assert estimator.estimate([trajectory(turn(3, 1))]) == [[0.0]]
        assert estimator.estimate([trajectory(turn(0.1, 2, start=s)) for s in range(3)]) == [[0.0]] * 3
        assert estimator.estimate([]) == []


def test_a_turn_without_trained_tokens_moves_no_mean() -> None:
    rows = [trajectory(turn(0, 2)), trajectory(turn(1, 2)), trajectory(turn(1000, 0))]
    got = [a for (a,) in ReinforcePP(ReinforcePPParams()).estimate(rows)]
    assert got[:2] == pytest.approx([-1, 1])
    assert math.isfinite(got[2])


@settings(max_examples=200, deadline=None)
@given(
    rewards=st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 20)), min_size=1, max_size=20),
    division=st.sampled_from([VERL, OPENRLHF, {"eps": 0.0, "eps_placement": "std_plus"}]),
)
def test_whitened_advantages_have_mean_zero_over_tokens(
    rewards: list[tuple[float, int]], division: dict[str, Any]
) -> None:
    got = [a for (a,) in ReinforcePP(ReinforcePPParams(**division)).estimate([trajectory(turn(*r)) for r in rewards])]
    assert all(map(math.isfinite, got))
    tokens = [count for _, count in rewards]
    size = sum(n * abs(a) for a, n in zip(got, tokens, strict=True))
    assert math.fsum(n * a for a, n in zip(got, tokens, strict=True)) == pytest.approx(0, abs=1e-6 * max(1, size))
