"""Who sits opposite."""

from collections import Counter

from sparring import SeededChance
from sparring_opponents.current import Current, CurrentParams
from sparring_opponents.uniform_pool import UniformPool, UniformPoolParams

ROLES = ["player_0", "player_1"]


def test_current_trains_every_seat() -> None:
    assert Current(CurrentParams()).assign("main", ROLES, 3, SeededChance(0)) == {"player_0": None, "player_1": None}


def test_the_pool_keeps_the_newest_and_restores() -> None:
    pool = UniformPool(UniformPoolParams(size=3, every=2))
    for version in range(1, 13):
        pool.step_ended("main", version)
    assert pool.members("main") == [8, 10, 12]
    other = UniformPool(UniformPoolParams(size=3, every=2))
    other.load_state_dict(pool.state_dict())
    assert other.members("main") == pool.members("main")


def test_opponents_and_seats_are_drawn_evenly() -> None:
    pool = UniformPool(UniformPoolParams(size=3, every=1))
    for version in (1, 2, 3):
        pool.step_ended("main", version)
    n = 4000
    assigned = [pool.assign("main", ROLES, 3, SeededChance(i)) for i in range(n)]
    opponents = Counter(next((v for v in a.values() if v is not None), None) for a in assigned)
    assert set(opponents) == {None, 1, 2, 3}
    assert all(abs(count / n - 0.25) < 0.035 for count in opponents.values())
    learner_first = sum(a["player_0"] is None and a["player_1"] is not None for a in assigned)
    assert abs(learner_first / n - 0.375) < 0.04


def test_an_empty_pool_is_the_policy_itself() -> None:
    pool = UniformPool(UniformPoolParams(include_current=False))
    assert pool.assign("main", ROLES, 0, SeededChance(1)) == {"player_0": None, "player_1": None}
