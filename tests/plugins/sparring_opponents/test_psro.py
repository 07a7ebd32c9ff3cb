"""A population whose payoffs are kept by hand, one member more every so many steps."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from sparring import Match, SeededChance
from sparring_opponents.meta_solvers import SOLVERS
from sparring_opponents.psro import Psro, PsroParams

ROLES = ["player_0", "player_1"]


def match(opponent: int, total: float, role: str = "player_0", policy: str = "main") -> Match:
    return Match(policy, "rps", opponent, {role: total})


def grown(**more: Any) -> Psro:
    """Version 1 loses 1 to version 0, version 2 wins 1 of version 1 and nothing of version 0."""
    pool = Psro(PsroParams(**{"every": 1, "matches": 1, "explore": 0.0, **more}))
    pool.matches_ended([match(0, -1.0)])
    pool.step_ended("main", 1)
    pool.matches_ended([match(0, 0.0), match(1, 1.0), match(77, 5.0)])
    pool.step_ended("main", 2)
    return pool


def members_of(pool: Psro) -> list[list[float | None]]:
    rows = pool.state_dict()["main"]["table"]["rows"]
    return [[cell and cell[0] for cell in row] for row in rows]


def opponents(pool: Psro, n: int = 20_000, version: int = 2) -> Counter[int | None]:
    assigned = (pool.assign("main", ROLES, version, SeededChance("draw", i)) for i in range(n))
    return Counter(next((v for v in a.values() if v is not None), None) for a in assigned)


def test_the_table_by_hand() -> None:
    pool = grown()
    assert pool.members("main") == [0, 1, 2]
    assert members_of(pool) == [[], [-1.0], [0.0, 1.0]]
    assert pool.state_dict()["main"]["meta"][1] == pytest.approx(0)


def test_a_measured_zero_is_one_match_at_least_and_nothing_is_solved_before() -> None:
    pool = Psro(PsroParams(every=2, matches=4, memory=0.5))
    for step in (1, 2):
        pool.matches_ended([match(0, 1.0)])
        pool.step_ended("main", step)
    # Due at step 2 with weights 1/2 and 1, worth 1.8 matches of the 4: it waits.
    assert pool.members("main") == [0]
    for step in (3, 4, 5):
        pool.matches_ended([match(0, 1.0)])
        pool.step_ended("main", step)
    # Four of weight 1 and one of 1/2 are worth 4.5²/4.25 = 4.76: it became a member with the fourth at step 5 and not at 4 with 3.8.
    assert pool.members("main") == [0, 5]
    (cell,) = pool.state_dict()["main"]["table"]["rows"][1]
    assert cell == pytest.approx([1.0, 4.5**2 / 4.25, 0.0])


def test_members_that_lack_matches_are_met_first_once_a_row_is_due() -> None:
    pool = grown()
    pool.params = PsroParams(every=1, matches=3, explore=0.0, self_play=0.5)
    pool.matches_ended([match(0, 1.0)] * 3 + [match(2, 1.0)])
    pool.step_ended("main", 3)
    assert pool.members("main") == [0, 1, 2]
    found = opponents(pool)
    assert set(found) == {1, 2}
    assert abs(found[1] / 20_000 - 0.5) < 0.012
    pool.matches_ended([match(1, 1.0)] * 3 + [match(2, 1.0)] * 2)
    pool.step_ended("main", 4)
    assert pool.members("main") == [0, 1, 2, 4]


@pytest.mark.parametrize("solver", ["fsp", "naive", "delta_uniform"])
def test_a_solver_that_reads_no_payoffs_waits_for_none(solver: Any) -> None:
    pool = Psro(PsroParams(every=1, solver=solver))
    pool.matches_ended([match(0, 1.0)])
    pool.step_ended("main", 1)
    pool.matches_ended([match(1, 1.0)])
    pool.step_ended("main", 2)
    assert pool.members("main") == [0, 1, 2]
    assert members_of(pool) == [[], [1.0], [None, 1.0]]


def test_opponents_are_drawn_by_the_meta_strategy_and_a_share_evenly() -> None:
    pool = grown()
    pool.params = PsroParams(every=1, explore=0.3, self_play=0.2)
    meta = pool.state_dict()["main"]["meta"]
    found = opponents(pool)
    for member, share in zip((0, 1, 2), meta, strict=True):
        assert abs(found[member] / 20_000 - 0.8 * (0.7 * share + 0.1)) < 0.012
    assert abs(found[None] / 20_000 - 0.2) < 0.012


def test_one_opponent_for_all_episodes_of_a_collect() -> None:
    pool = grown(draw="collect", solver="fsp")
    drawn = set()
    for version in range(2, 52):
        chances = [SeededChance("draw", version, i) for i in range(20)]
        assigned = [pool.assign("main", ROLES, version, chance) for chance in chances]
        found = {next(v for v in a.values() if v is not None) for a in assigned}
        assert len(found) == 1
        assert len({a["player_0"] for a in assigned}) == 2  # both seats, all the same
        drawn |= found
        # A resumed run does not know what was drawn, and draws it again by the first episode.
        fresh = grown(draw="collect", solver="fsp")
        assert fresh.assign("main", ROLES, version, SeededChance("draw", version, 0)) == assigned[0]
    assert drawn == {0, 1, 2}


def test_the_least_drawn_leaves_a_full_population_or_the_oldest() -> None:
    for evict, left in (("least_drawn", [0, 2, 3]), ("oldest", [1, 2, 3])):
        pool = grown()
        pool.params = PsroParams(every=1, size=3, matches=1, evict=evict)
        pool.matches_ended([match(m, 0.0) for m in (0, 1, 2)])
        pool.step_ended("main", 3)
        assert pool.members("main") == left
        assert [len(row) for row in members_of(pool)] == [0, 1, 2]


def test_a_policy_that_met_nobody_is_no_new_member() -> None:
    pool = grown()
    for step in range(3, 9):
        pool.step_ended("main", step)
    assert pool.members("main") == [0, 1, 2]


def test_cells_of_wins_forget_by_how_much() -> None:
    pool = Psro(PsroParams(every=1, matches=1, payoff="wins"))
    pool.matches_ended([match(0, 50.0), match(0, -1.0), match(0, 0.0), match(0, 3.0)])
    pool.step_ended("main", 1)
    assert members_of(pool) == [[], [0.25]]


def test_policies_without_a_population_play_themselves() -> None:
    pool = Psro(PsroParams(every=1, matches=1, policies=["main"]))
    assert pool.assign("skills", ROLES, 0, SeededChance(0)) == {"player_0": None, "player_1": None}
    pool.matches_ended([match(0, 1.0, policy="skills"), match(0, 1.0)])
    pool.step_ended("skills", 1)
    pool.step_ended("main", 1)
    assert pool.members("skills") == []
    assert pool.members("main") == [0, 1]


def test_delta_without_its_solver_is_refused() -> None:
    with pytest.raises(ValidationError, match="'delta' is delta_uniform's; the solver is nash"):
        PsroParams(delta=0.3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_state_makes_a_twin(solver: Any) -> None:
    pool, twin = (Psro(PsroParams(every=2, size=3, solver=solver, matches=2)) for _ in range(2))
    for step in range(1, 8):
        pool.matches_ended([match(member, 0.1 * step - member) for member in pool.members("main")] * 2)
        pool.step_ended("main", step)
    twin.load_state_dict(json.loads(json.dumps(pool.state_dict())))
    assert twin.state_dict() == pool.state_dict()
    draws = [[p.assign("main", ROLES, 7, SeededChance(i)) for i in range(50)] for p in (pool, twin)]
    assert draws[0] == draws[1]
