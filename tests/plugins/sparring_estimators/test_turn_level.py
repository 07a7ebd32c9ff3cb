"""Turn-level advantages against values worked out by hand, and what they must not depend on."""

import random

import pytest

from sparring import Trajectory, Turn
from sparring_estimators.turn_level import TurnLevel, TurnLevelParams


def trajectory(*rewards: float, role: str = "player_0", game: str = "g") -> Trajectory:
    turns = [Turn(role, "main", 0, 0, 0, [], "", "", labels={"game": game, "role": role}, reward=r) for r in rewards]
    return Trajectory(0, role, turns)


def some(rng: random.Random) -> list[Trajectory]:
    return [
        trajectory(*(rng.uniform(-1, 1) for _ in range(rng.randint(1, 5))), role=rng.choice(["a", "b"]), game=game)
        for game in ("g", "h")
        for _ in range(20)
    ]


def test_sums_ahead_less_the_mean_over_turns_of_the_same_role() -> None:
    """Returns-to-go of a: 3, 1, 0 and -1; their mean is 0.75. Of b: 2 and 4; 3."""
    got = TurnLevel(TurnLevelParams()).estimate(
        [trajectory(2, 1, 0, role="a"), trajectory(-1, role="a"), trajectory(-2, 4, role="b")]
    )
    assert got == [pytest.approx([2.25, 0.25, -0.75]), pytest.approx([-1.75]), pytest.approx([-1.0, 1.0])]


def test_rewards_ahead_may_be_discounted() -> None:
    ((first, second, third),) = TurnLevel(TurnLevelParams(gamma=0.5)).estimate([trajectory(0, 0, 4)])
    assert (first, second, third) == pytest.approx((1 - 7 / 3, 2 - 7 / 3, 4 - 7 / 3))


def test_advantages_of_each_game_and_role_have_mean_zero_over_turns() -> None:
    rows = some(random.Random(0))
    found = TurnLevel(TurnLevelParams()).estimate(rows)
    for game in ("g", "h"):
        for role in ("a", "b"):
            mine = [
                a
                for t, values in zip(rows, found, strict=True)
                if (t.labels["game"], t.role) == (game, role)
                for a in values
            ]
            assert len(mine) > 10
            assert sum(mine) == pytest.approx(0, abs=1e-9)
            assert max(map(abs, mine)) > 0.1


def test_adding_a_constant_to_every_terminal_reward_changes_nothing() -> None:
    rows, moved = some(random.Random(1)), some(random.Random(1))
    for t in moved:
        t.turns[-1].reward += 7.0
    before, after = (TurnLevel(TurnLevelParams()).estimate(r) for r in (rows, moved))
    for a, b in zip(before, after, strict=True):
        assert a == pytest.approx(b, abs=1e-9)


def test_an_advantage_does_not_grow_with_the_turns_that_follow() -> None:
    """What normalising rewards before summing would do: a match that is lost late costs its early turns no more."""
    for turns in (1, 3, 9):
        short, long = TurnLevel(TurnLevelParams(key=["game"])).estimate(
            [trajectory(*[0] * (turns - 1), 1, game="g"), trajectory(*[0] * (turns - 1), -1, game="g")]
        )
        assert short == [1.0] * turns
        assert long == [-1.0] * turns
