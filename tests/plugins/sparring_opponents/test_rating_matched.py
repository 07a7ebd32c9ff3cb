"""The most even match is drawn, by ratings that every match changes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from sparring import Match, SeededChance
from sparring_opponents.rating_matched import RatingMatched, RatingMatchedParams
from sparring_opponents.trueskill import Rating, quality, rated

ROLES = ["player_0", "player_1"]
CONSTANTS = (4.0, 25 / 300, 0.1)


def match(opponent: int, total: float, policy: str = "main") -> Match:
    return Match(policy, "rps", opponent, {"player_0": total})


def made(**more: Any) -> RatingMatched:
    return RatingMatched(RatingMatchedParams(**{"every": 1, "self_play": 0.0, **more}))


def ratings(pool: RatingMatched) -> dict[str | int, tuple[float, float]]:
    saved = pool.state_dict()["main"]
    return {"now": tuple(saved["present"]), **{version: (mu, sigma) for version, mu, sigma in saved["members"]}}


def placed(pool: RatingMatched, present: Rating, members: dict[int, Rating]) -> None:
    pool.load_state_dict({
        "main": {
            "present": [present.mu, present.sigma],
            "members": [[version, rating.mu, rating.sigma] for version, rating in members.items()],
        }
    })  # fmt: skip


def opponent(pool: RatingMatched, key: object = 0) -> int | None:
    return next((v for v in pool.assign("main", ROLES, 0, SeededChance(key)).values() if v is not None), None)


def test_every_match_moves_both_ratings_in_order() -> None:
    pool, new = made(), Rating(25, 25 / 3)
    pool.matches_ended([match(0, 2.0), match(0, 0.0), match(9, 1.0), match(0, -1.0)])
    mine, theirs = rated(new, new, *CONSTANTS)
    mine, theirs = rated(mine, theirs, *CONSTANTS, drawn=True)
    theirs, mine = rated(theirs, mine, *CONSTANTS)
    assert ratings(pool) == {"now": (mine.mu, mine.sigma), 0: (theirs.mu, theirs.sigma)}


def test_a_successor_inherits_the_mean_with_twice_the_deviation() -> None:
    pool = made()
    placed(pool, Rating(31.0, 2.5), {0: Rating(25.0, 3.0)})
    pool.step_ended("main", 1)
    assert ratings(pool) == {"now": (31.0, 5.0), 0: (25.0, 3.0), 1: (31.0, 2.5)}
    pool.step_ended("main", 2)
    assert ratings(pool)["now"] == (31.0, pytest.approx(25 / 3))  # no more than of one of whom nothing is known


def test_the_best_match_is_drawn_and_of_equals_the_newest() -> None:
    pool = made()
    members = {0: Rating(20.0, 1.0), 1: Rating(29.0, 1.0), 2: Rating(30.5, 6.0), 3: Rating(40.0, 1.0)}
    placed(pool, Rating(31.0, 2.0), members)
    # The nearest mean is the third's, but little is known of it.
    best = max(members, key=lambda version: quality(Rating(31.0, 2.0), members[version], 4.0))
    assert best == 1
    assert opponent(pool) == 1
    placed(pool, Rating(31.0, 2.0), dict.fromkeys((4, 7, 5), Rating(31.0, 2.0)))
    assert opponent(pool) == 7


def test_the_worst_match_leaves_a_full_pool() -> None:
    pool = made(size=3)
    placed(pool, Rating(31.0, 2.0), {0: Rating(28.0, 1.0), 5: Rating(10.0, 1.0), 9: Rating(30.0, 1.0)})
    pool.step_ended("main", 12)
    assert pool.members("main") == [0, 9, 12]


def test_a_share_is_self_play_and_seats_are_drawn() -> None:
    pool = made(self_play=0.3)
    found = Counter(opponent(pool, i) for i in range(20_000))
    assert found.keys() == {None, 0}
    assert abs(found[None] / 20_000 - 0.3) < 0.012
    seats = Counter(pool.assign("main", ROLES, 0, SeededChance(i))["player_0"] for i in range(20_000))
    assert abs(seats[0] / 20_000 - 0.35) < 0.012


def test_the_opponent_follows_the_policy_up() -> None:
    """Won matches carry the policy away from version 0, and a newer one, rated as the policy is, becomes its match."""
    pool = made(every=5)
    for step in range(1, 21):
        pool.matches_ended([match(opponent(pool) or 0, 1.0)] * 4)
        pool.step_ended("main", step)
    assert ratings(pool)["now"][0] > ratings(pool)[0][0] + 5
    assert opponent(pool) != 0


def test_results_of_one_policy_are_no_results_of_another_and_state_makes_a_twin() -> None:
    pool, twin = made(), made()
    pool.matches_ended([match(0, 1.0), match(0, -1.0, "other")])
    pool.step_ended("main", 1)
    twin.load_state_dict(json.loads(json.dumps(pool.state_dict())))
    assert twin.state_dict() == pool.state_dict()
    state = pool.state_dict()
    assert state["main"]["members"][0][1] < 25 < state["other"]["members"][0][1]
    assert pool.members("other") == [0]
