"""COLE's table, shares and admissions by hand."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from sparring import Match, SeededChance
from sparring_opponents.cole import Cole, ColeParams

ROLES = ["sender", "receiver"]


def match(opponent: int | str | None, total: float) -> Match:
    return Match("main", "signalling", opponent, {"sender": total})


def grown(**params: Any) -> Cole:
    """Two members. Version 1 gets 0.5 with version 0 and 0.75 alone when it joins."""
    pool = Cole(ColeParams(every=1, **params))
    pool.matches_ended([match(0, 2.0), match(0, 0.0), match(None, 1.5), match("stranger", 9.0)])
    pool.step_ended("main", 1)
    return pool


def test_the_table_by_hand() -> None:
    """A step moves an entry half of the way to its mean return; who joins copies the row, with itself on the diagonal."""
    pool = grown()
    state = pool.state_dict()["main"]
    assert state["members"] == [0, 1]
    assert state["table"] == [[0.0, 0.5], [0.5, 0.75]]
    assert state["row"] == [0.5, 0.75]
    pool.matches_ended([match(1, 0.25)])
    assert pool.state_dict()["main"]["row"] == [0.5, 0.5]


def test_shares_are_those_of_the_published_weights() -> None:
    pool = grown(kappa=2.0)
    members, _ = pool._populations["main"].utilities()
    assert members == pytest.approx([(0.0 + 0.5 + 0.5) / 3, (0.5 + 0.75 + 0.75) / 3])
    weights = [1 - utility / sum(members) for utility in members]
    assert weights[0] > weights[1]
    assert pool.shares("main") == pytest.approx([4 / 5, 1 / 5])


def test_a_quarter_is_self_play_and_the_rest_is_drawn_by_share_in_both_seats() -> None:
    pool = grown(kappa=1.0)
    found: Counter[tuple[Any, ...]] = Counter()
    for i in range(12_000):
        found[tuple(pool.assign("main", ROLES, 1, SeededChance("draw", i)).values())] += 1
    assert abs(found[None, None] / 12_000 - 1 / 4) < 0.015
    for member, share in ((0, 2 / 3), (1, 1 / 3)):
        for holders in ((None, member), (member, None)):
            assert abs(found[holders] / 12_000 - 3 / 4 * share / 2) < 0.015


def test_a_candidate_that_goes_badly_with_all_is_refused_twice_and_then_admitted() -> None:
    pool = grown()
    pool.matches_ended([match(0, 3.5), match(1, 3.25), match(None, 3.25)])
    pool.step_ended("main", 2)
    assert pool.members("main") == [0, 1, 2]
    for _ in range(12):
        pool.matches_ended([match(member, 0.0) for member in (0, 1, 2, None)])
    for version, members in ((3, 3), (4, 3), (5, 4), (6, 4)):
        pool.step_ended("main", version)
        assert len(pool.members("main")) == members, version
    assert pool.members("main")[-1] == 5


def test_in_a_full_population_a_newcomer_takes_the_place_of_one_of_the_oldest() -> None:
    pool = Cole(ColeParams(every=1, size=12))
    for version in range(1, 12):
        pool.matches_ended([match(member, float(version)) for member in [*pool.members("main"), None]])
        pool.step_ended("main", version)
    before = pool.members("main")
    assert before == list(range(12))
    pool.matches_ended([match(member, 50.0) for member in [*before, None]])
    pool.step_ended("main", 12)
    after = pool.members("main")
    (gone,) = set(before) - set(after)
    assert gone < 10
    at = after.index(12)
    state = pool.state_dict()["main"]
    assert state["table"][at] == state["row"]
    assert [row[at] for row in state["table"]] == state["row"]
    assert state["table"][at][at] == state["alone"]


def test_state_makes_a_twin() -> None:
    pool, twin = (Cole(ColeParams(every=1, size=3)) for _ in range(2))
    for version in range(1, 9):
        pool.matches_ended([match(member, 0.3 * version - (member or 0)) for member in [*pool.members("main"), None]])
        pool.step_ended("main", version)
    twin.load_state_dict(json.loads(json.dumps(pool.state_dict())))
    assert twin.state_dict() == pool.state_dict()
    for one in (pool, twin):
        one.step_ended("main", 9)
    assert twin.state_dict() == pool.state_dict()
    draws = [[p.assign("main", ROLES, 7, SeededChance(i)) for i in range(50)] for p in (pool, twin)]
    assert draws[0] == draws[1]
