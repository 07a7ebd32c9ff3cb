"""Meta-strategies of known payoffs, and a population whose matrix is kept by hand."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from sparring import Match, SeededChance
from sparring_opponents.meta_solvers import SOLVERS, nash, replicator, uniform
from sparring_opponents.psro import Psro, PsroParams

ROLES = ["player_0", "player_1"]
ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
# OpenSpiel's matrix_brps without its scale: paper is worth two of rock.
BIASED = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-2.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("payoffs", "expected"),
    [(ROCK_PAPER_SCISSORS, [1 / 3, 1 / 3, 1 / 3]), (BIASED, [1 / 4, 1 / 2, 1 / 4])],
    ids=["even", "biased"],
)
def test_equilibria_of_known_games(payoffs: Any, expected: list[float]) -> None:
    assert nash(payoffs) == pytest.approx(expected, abs=1e-9)
    assert replicator(payoffs) == pytest.approx(expected, abs=0.01)
    assert uniform(payoffs) == pytest.approx([1 / 3] * 3)


def test_a_member_that_all_others_beat_is_not_played() -> None:
    payoffs = np.zeros((4, 4))
    payoffs[:3, :3] = ROCK_PAPER_SCISSORS
    payoffs[:3, 3], payoffs[3, :3] = 2.0, -2.0
    assert nash(payoffs) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=1e-9)
    assert replicator(payoffs)[3] < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_no_member_wins_against_the_equilibrium(seed: int) -> None:
    raw = np.random.default_rng(seed).normal(size=(6, 6))
    payoffs = raw - raw.T
    assert (payoffs @ nash(payoffs)).max() < 1e-9


def match(opponent: int, total: float) -> Match:
    return Match("main", "rps", opponent, {"player_0": total})


def grown() -> Psro:
    """Version 1 loses 1 to version 0, version 2 wins 1 of version 1 and loses nothing to version 0."""
    pool = Psro(PsroParams(every=1, memory=0.0, explore=0.0))
    pool.matches_ended([match(0, -1.0)])
    pool.step_ended("main", 1)
    pool.matches_ended([match(0, 0.0), match(1, 1.0), match(77, 5.0)])
    pool.step_ended("main", 2)
    return pool


def test_the_matrix_by_hand() -> None:
    state = grown().state_dict()["main"]
    assert state["members"] == [0, 1, 2]
    assert state["rows"] == [[0.0, 1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    assert state["row"] == [0.0, 1.0, 0.0]
    assert state["meta"][1] == pytest.approx(0)


def test_opponents_are_drawn_by_the_meta_strategy_and_a_share_evenly() -> None:
    pool = grown()
    pool.params = PsroParams(every=1, explore=0.3, self_play=0.2)
    meta = pool.state_dict()["main"]["meta"]
    found: Counter[int | None] = Counter()
    for i in range(20_000):
        assigned = pool.assign("main", ROLES, 2, SeededChance("draw", i))
        found[next((v for v in assigned.values() if v is not None), None)] += 1
    for member, share in zip((0, 1, 2), meta, strict=True):
        assert abs(found[member] / 20_000 - 0.8 * (0.7 * share + 0.1)) < 0.012
    assert abs(found[None] / 20_000 - 0.2) < 0.012


def test_the_least_drawn_leaves_a_full_population() -> None:
    pool = grown()
    pool.params = PsroParams(every=1, size=3, memory=0.0)
    pool.step_ended("main", 3)
    state = pool.state_dict()["main"]
    assert state["members"] == [0, 2, 3]
    assert [len(row) for row in state["rows"]] == [3, 3, 3]
    assert np.array(state["rows"]) == pytest.approx(-np.array(state["rows"]).T)


@pytest.mark.parametrize("solver", SOLVERS)
def test_state_makes_a_twin(solver: Any) -> None:
    pool, twin = (Psro(PsroParams(every=2, size=3, solver=solver)) for _ in range(2))
    for step in range(1, 8):
        pool.matches_ended([match(member, 0.1 * step - member) for member in pool.members("main")])
        pool.step_ended("main", step)
    twin.load_state_dict(json.loads(json.dumps(pool.state_dict())))
    assert twin.state_dict() == pool.state_dict()
    draws = [[p.assign("main", ROLES, 7, SeededChance(i)) for i in range(50)] for p in (pool, twin)]
    assert draws[0] == draws[1]
