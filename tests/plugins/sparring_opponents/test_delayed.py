"""One past version as the opponent."""

import json

import pytest

from sparring import SeededChance
from sparring_opponents.delayed import Delayed, DelayedParams

ROLES = ["player_0", "player_1"]


def opponents(sampler: Delayed, steps: int) -> list[int]:
    """The version met at each step."""
    met = []
    for step in range(1, steps + 1):
        assigned = sampler.assign("main", ROLES, step - 1, SeededChance(step))
        versions = [version for version in assigned.values() if version is not None]
        assert list(assigned) == ROLES
        assert len(versions) == 1
        assert sampler.members("main") == versions  # no other weights are kept
        met += versions
        sampler.step_ended("main", step)
    return met


def test_it_holds_still_and_then_catches_up() -> None:
    assert opponents(Delayed(DelayedParams(every=3)), 8) == [0, 0, 0, 3, 3, 3, 6, 6]


def test_it_may_stay_for_good() -> None:
    assert opponents(Delayed(DelayedParams(every=None)), 60) == [0] * 60


@pytest.mark.parametrize(("seat", "learning"), [("first", "player_0"), ("last", "player_1")])
def test_the_learning_seat_may_be_fixed(seat: str, learning: str) -> None:
    sampler = Delayed(DelayedParams.model_validate({"seat": seat}))
    assert all(sampler.assign("main", ROLES, 0, SeededChance(i))[learning] is None for i in range(50))


def test_restored_it_keeps_its_version() -> None:
    sampler = Delayed(DelayedParams(every=4))
    opponents(sampler, 5)
    other = Delayed(DelayedParams(every=4))
    other.load_state_dict(json.loads(json.dumps(sampler.state_dict())))
    assert other.members("main") == [4]
