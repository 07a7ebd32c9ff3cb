"""Estimators against vectors worked out by hand."""

import json
import random

import pytest

from sparring import SparringError, Trajectory, Turn
from sparring_estimators.group_relative import GroupRelative, GroupRelativeParams
from sparring_estimators.plain import Plain, PlainParams
from sparring_estimators.role_conditioned import RoleConditioned, RoleConditionedParams


def trajectory(*rewards: float, role: str = "player_0", start: int = 0, episode: int = 0) -> Trajectory:
    turns = [
        Turn(role, "main", 0, 0, 0, [], "", "", labels={"game": "g", "role": role, "start": start}, reward=r)
        for r in rewards
    ]
    return Trajectory(episode, role, turns)


UPDATE, SUBTRACT = "update_then_subtract", "subtract_then_update"


@pytest.mark.parametrize(
    ("rewards", "order", "advantages", "baseline"),
    [
        ([1, 1, -1, 0], UPDATE, [0.95, 0.9025, -1.042625, -0.040494], 0.040494),
        ([1, 1, -1, 0], SUBTRACT, [1, 0.95, -1.0975, -0.042625], 0.040494),
        ([1, 1, 1, 1], UPDATE, [0.95, 0.9025, 0.857375, 0.814506], 0.185494),
        ([1, 1, 1, 1], SUBTRACT, [1, 0.95, 0.9025, 0.857375], 0.185494),
    ],
)
def test_rae_vectors(rewards: list[float], order: str, advantages: list[float], baseline: float) -> None:
    estimator = RoleConditioned(RoleConditionedParams(decay=0.95, order=order))  # type: ignore[arg-type]
    got = estimator.estimate([trajectory(r) for r in rewards])
    assert [a for (a,) in got] == pytest.approx(advantages, abs=1e-6)
    assert estimator.baselines == pytest.approx({("g", "player_0"): baseline}, abs=1e-6)


def test_the_two_orders_differ_by_the_decay() -> None:
    rng = random.Random(0)
    rewards = [rng.uniform(-2, 2) for _ in range(50)]
    first, second = (
        RoleConditioned(RoleConditionedParams(decay=0.8, order=order)).estimate([trajectory(r) for r in rewards])  # type: ignore[arg-type]
        for order in (UPDATE, SUBTRACT)
    )
    assert [a for (a,) in first] == pytest.approx([0.8 * a for (a,) in second])


def test_rae_keeps_roles_apart_and_counts_trajectories_not_turns() -> None:
    estimator = RoleConditioned(RoleConditionedParams(decay=0.5))
    estimator.estimate([trajectory(0, 0, 0, 1), trajectory(-1, role="player_1")])
    assert estimator.baselines == {("g", "player_0"): 0.5, ("g", "player_1"): -0.5}


def test_rae_discounts_from_the_end() -> None:
    ((first, second, third),) = RoleConditioned(RoleConditionedParams(decay=0, gamma=0.5, order=SUBTRACT)).estimate(
        [trajectory(0, 0, 2)]
    )
    assert (first, second, third) == (0.5, 1.0, 2.0)


def test_rae_goes_on_from_its_state() -> None:
    straight, before = RoleConditioned(RoleConditionedParams()), RoleConditioned(RoleConditionedParams())
    rows = [trajectory(r) for r in (1, -1, 0.5, 2)]
    expected = straight.estimate(rows)
    got = before.estimate(rows[:2])
    after = RoleConditioned(RoleConditionedParams())
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    assert got + after.estimate(rows[2:]) == expected


def test_a_label_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SparringError, match=r"'stage'.*player_0.*game, role, start"):
        RoleConditioned(RoleConditionedParams(key=["stage"])).estimate([trajectory(1)])


def test_group_relative_by_hand_with_the_population_deviation() -> None:
    rewards = [1, 1, -0.5, -1, 1, -1, 1, -0.5]
    got = GroupRelative(GroupRelativeParams()).estimate([trajectory(r) for r in rewards])
    high, low, lowest = 0.980196, -0.700140, -1.260252
    assert [a for (a,) in got] == pytest.approx([high, high, low, lowest, high, lowest, high, low], abs=1e-6)


def test_group_relative_gives_zero_where_all_are_equal_and_keeps_groups_apart() -> None:
    rows = [trajectory(3, start=1), trajectory(3, start=1), trajectory(0, start=2), trajectory(2, start=2)]
    assert GroupRelative(GroupRelativeParams()).estimate(rows) == [[0], [0], [-1], [1]]
    assert GroupRelative(GroupRelativeParams(divide_by_std=False)).estimate(rows) == [[0], [0], [-1], [1]]


def test_group_relative_does_not_depend_on_the_order_of_trajectories() -> None:
    rows = [trajectory(r, start=i % 3) for i, r in enumerate([1, 2, 3, 5, 8, 13, 21])]
    order = [3, 1, 6, 0, 5, 2, 4]
    straight = GroupRelative(GroupRelativeParams()).estimate(rows)
    mixed = GroupRelative(GroupRelativeParams()).estimate([rows[i] for i in order])
    assert mixed == [straight[i] for i in order]


def test_plain_is_the_discounted_return_to_go() -> None:
    assert Plain(PlainParams(gamma=0.5)).estimate([trajectory(1, 0, 4)]) == [[2, 2, 4]]
