"""Opponents that are drawn by how often they are beaten."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from sparring import Match, SeededChance
from sparring_opponents.prioritized import Prioritized, PrioritizedParams

ROLES = ["player_0", "player_1"]


def made(**more: Any) -> Prioritized:
    pool = Prioritized(PrioritizedParams(every=1, **more))
    for version in (1, 2):
        pool.step_ended("main", version)
    return pool


def match(opponent: int, total: float) -> Match:
    return Match("main", "kuhn_poker", opponent, {"player_0": total})


def drawn(pool: Prioritized, n: int = 20_000) -> dict[int | None, float]:
    assigned = (pool.assign("main", ROLES, 2, SeededChance("draw", i)) for i in range(n))
    count = Counter(next((v for v in a.values() if v is not None), None) for a in assigned)
    return {version: count[version] / n for version in sorted(count, key=str)}


def test_weights_by_hand() -> None:
    assert made(power=2).weight(0.25) == pytest.approx(0.5625)
    assert made(power=3).weight(0.5) == pytest.approx(0.125)
    assert made(weighting="even").weight(0.25) == pytest.approx(0.1875)
    assert made(floor=0.02).weight(1.0) == 0.02


def test_those_that_are_rarely_beaten_are_drawn_more_often() -> None:
    pool = made(memory=0.0, self_play=0.5, floor=0.01)  # without memory w is the last match: 1, 1/2 and 0
    pool.matches_ended([match(0, +1), match(1, 0), match(2, -1)])
    # Half of all episodes, shared by (1 - w)^2, at least 0.01: 0.01, 0.25, 1 of 1.26.
    found = drawn(pool)
    expected = {None: 0.5, 0: 0.5 * 0.01 / 1.26, 1: 0.5 * 0.25 / 1.26, 2: 0.5 / 1.26}
    assert found.keys() == expected.keys()
    assert all(abs(found[version] - share) < 0.012 for version, share in expected.items())


def test_the_share_of_wins_is_a_running_mean() -> None:
    pool = made(memory=0.9)
    pool.matches_ended([match(1, +2), match(1, -1), match(1, 0), match(99, +1)])
    # 0.5 -> 0.55 -> 0.495 -> 0.4955; a version that has left since changes nothing.
    assert dict(pool.state_dict()["won"]["main"]) == pytest.approx({0: 0.5, 1: 0.4955, 2: 0.5})


def test_the_one_that_is_beaten_most_leaves_first_and_of_equals_the_oldest() -> None:
    pool = made(size=3)
    pool.matches_ended([match(1, +1)])
    pool.step_ended("main", 3)
    assert pool.members("main") == [0, 2, 3]
    pool.step_ended("main", 4)
    assert pool.members("main") == [2, 3, 4]


def test_the_newest_is_always_kept() -> None:
    pool = made(size=1)
    pool.step_ended("main", 3)
    assert pool.members("main") == [3]


def test_one_seat_learns_and_both_seats_equally_often() -> None:
    pool = made(self_play=0.0)
    assigned = [pool.assign("main", ROLES, 2, SeededChance(i)) for i in range(4000)]
    assert all(list(a.values()).count(None) == 1 for a in assigned)
    assert abs(sum(a["player_0"] is None for a in assigned) / 4000 - 0.5) < 0.03


def test_restored_it_draws_the_same() -> None:
    pool = made()
    pool.matches_ended([match(0, +1), match(2, -1)])
    other = Prioritized(PrioritizedParams(every=1))
    other.load_state_dict(json.loads(json.dumps(pool.state_dict())))
    assert other.members("main") == pool.members("main")
    assert drawn(other, 200) == drawn(pool, 200)
