"""UnstableBaselines' pipeline of rewards, against the numbers that its formulas give by hand."""

from __future__ import annotations

import math
from statistics import fmean, pstdev
from typing import Any

import pytest

from sparring import SparringError, Trajectory, Turn
from sparring.errors import RecipeError
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.testing import check_estimator, make
from sparring_estimators.three_stage import ThreeStage

STEP = ["format", "validity"]


def estimator(**params: Any) -> ThreeStage:
    made: ThreeStage = make("estimator", "three_stage", **{"step": STEP, **params})
    return made


def trajectory(ret: float, *turns: tuple[float, float], game: str = "g", role: str = "player_0") -> Trajectory:
    """``ret`` on the last turn; a turn is its format's and its validity's reward."""
    rows = [
        Turn(role, "main", 0, 0, 0, [], "", "", labels={"game": game, "role": role}, rewards={"format": f, "validity": v})
        for f, v in turns
    ]  # fmt: skip
    rows[-1].reward = rows[-1].rewards["outcome"] = ret
    return Trajectory(0, role, rows)


def test_the_three_stages_by_hand() -> None:
    made = estimator()
    batch = [
        trajectory(1, (1.5, 1), (1.5, 1)),
        trajectory(-1, (1.5, 1), (0, -1), role="player_1"),
        trajectory(1, (1.5, 1)),
        trajectory(-0.5, (0, 1), game="h"),
        trajectory(0.5, (1.5, 1), game="h", role="player_1"),
    ]
    # b = 0.001, then 0.001 * 0.999 + 0.001 for the same role; the other role and the other game have their own.
    finals = {"g": [0.999, 0.999, -0.999, -0.999, 1 - 0.001999], "h": [-0.4995, 0.4995]}
    steps = {"g": [2.5, 2.5, 2.5, -1, 2.5], "h": [1, 2.5]}
    expected = []
    for game in ("g", "h"):
        values = [f + s for f, s in zip(finals[game], steps[game], strict=True)]
        expected += [(v - fmean(values)) / pstdev(values) for v in values]
    got = [a for advantages in made.estimate(batch) for a in advantages]
    assert got == pytest.approx(expected, abs=1e-12)


def test_a_constant_batch_gives_zero_and_no_nan() -> None:
    made = estimator(final={"use": "plain"})
    for count in (1, 6):
        got = made.estimate([trajectory(0.3, (1.5, 1)) for _ in range(count)])
        assert got == [[0.0]] * count


def test_pay_that_every_turn_gets_cancels() -> None:
    returns = [1.0, -1.0, 1.0, 0.0]
    some = estimator(final={"use": "plain"}).estimate([trajectory(r, (1.5, 1)) for r in returns])
    none = estimator(final={"use": "plain"}).estimate([trajectory(r, (0, 0)) for r in returns])
    for one, other in zip(some, none, strict=True):
        assert one == pytest.approx(other)


def test_turns_and_not_tokens_are_counted() -> None:
    got = estimator(final={"use": "plain"}).estimate(
        [trajectory(0, (1.5, 0)), trajectory(0, (0, 0)), trajectory(0, (0, 0))]
    )
    assert got == [pytest.approx([math.sqrt(2)]), *[pytest.approx([-math.sqrt(0.5)])] * 2]  # fmt: skip


def test_a_part_that_no_turn_has_is_named() -> None:
    with pytest.raises(
        SparringError, match=r"no turn of this step has formats \(there are: format, outcome, validity\)"
    ):
        estimator(step=["formats"]).estimate([trajectory(1, (1.5, 1))])


def test_it_keeps_the_contract_and_its_baselines() -> None:
    check_estimator(estimator(step=[]))
    made, twin = estimator(), estimator()
    made.estimate([trajectory(1, (1.5, 1))])
    twin.load_state_dict(made.state_dict())
    assert twin.state_dict() == {"final": {"baselines": {'["g", "player_0"]': pytest.approx(0.001)}}}


RECIPE = """
format: 1
policies: {main: {model: tiny}}
play: [{game: kuhn_poker, scheme: {use: turn_based, turn_judges: [format]}}]
judges: {outcome: outcome, format: {use: conduct, formatted: 1.5}}
advantage: {use: three_stage, step: [format]}
objective: policy_gradient
train: {steps: 1}
"""


def test_parts_that_would_count_twice_are_refused() -> None:
    registry = load_plugins().registry
    with pytest.raises(RecipeError, match="format would count twice in entry 'kuhn_poker'"):
        load_recipe(RecipeSource("test", RECIPE, "test"), registry)
    load_recipe(RecipeSource("test", f"{RECIPE}rewards: {{parts: [outcome]}}\n", "test"), registry)
