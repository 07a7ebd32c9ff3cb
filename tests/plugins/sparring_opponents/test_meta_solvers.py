"""Meta-strategies of known payoffs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparring_opponents.meta_solvers import (
    BLIND,
    SOLVERS,
    alpha_rank,
    delta_uniform,
    fsp,
    naive,
    nash,
    replicator,
    solve,
)

ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
# OpenSpiel's matrix_brps without its scale: paper is worth two of rock.
BIASED = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-2.0, 1.0, 0.0]])
# Rock against scissors is worth half; HCSP's method card has this one's equilibrium.
HALVED = np.array([[0.0, -1.0, 0.5], [1.0, 0.0, -1.0], [-0.5, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("payoffs", "expected"),
    [
        (ROCK_PAPER_SCISSORS, [1 / 3, 1 / 3, 1 / 3]),
        (BIASED, [1 / 4, 1 / 2, 1 / 4]),
        (HALVED, [0.4, 0.2, 0.4]),
    ],
    ids=["even", "biased", "halved"],
)
def test_equilibria_of_known_games(payoffs: Any, expected: list[float]) -> None:
    assert nash(payoffs) == pytest.approx(expected, abs=1e-9)
    assert nash(payoffs) @ payoffs == pytest.approx([0, 0, 0], abs=1e-9)
    assert replicator(payoffs) == pytest.approx(expected, abs=0.01)


def test_a_member_that_all_others_beat_is_not_played() -> None:
    payoffs = np.zeros((4, 4))
    payoffs[:3, :3] = ROCK_PAPER_SCISSORS
    payoffs[:3, 3], payoffs[3, :3] = 2.0, -2.0
    assert nash(payoffs) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=1e-9)
    assert replicator(payoffs)[3] < 0.01
    assert alpha_rank(payoffs) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_member_wins_against_the_equilibrium(seed: int) -> None:
    raw = np.random.default_rng(seed).normal(size=(6, 6))
    payoffs = raw - raw.T
    assert (payoffs @ nash(payoffs)).max() < 1e-9


def takes_over(fitness: float, m: int = 50, intensity: float = 10.0) -> float:
    """Chance of one mutant among ``m``, by the product of odds of each step and not by its closed form.

    With k mutants both kinds also meet their own, where antisymmetric payoffs are 0: a mutant has
    ``fitness (m - k) / (m - 1)`` and a resident ``-fitness k / (m - 1)``, which differ by the same at every k.
    """
    gap = [fitness * ((m - k) + k) / (m - 1) for k in range(1, m)]
    odds = np.exp(-intensity * np.cumsum(gap))
    return float(1 / (1 + odds.sum()))


@pytest.mark.parametrize("payoff", [0.01, 0.05, 0.3])
def test_alpha_rank_of_two_is_the_balance_of_who_takes_over(payoff: float) -> None:
    up, down = takes_over(payoff), takes_over(-payoff)
    found = alpha_rank(np.array([[0.0, payoff], [-payoff, 0.0]]))
    assert found == pytest.approx([up / (up + down), down / (up + down)], rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_rank_is_left_alone_by_its_chain(seed: int) -> None:
    n = 5
    raw = np.random.default_rng(seed).normal(size=(n, n)) * 0.02
    payoffs = raw - raw.T
    chain = np.array([[0.0 if r == s else takes_over(payoffs[r, s]) / (n - 1) for r in range(n)] for s in range(n)])
    chain += np.diag(1 - chain.sum(1))
    found = alpha_rank(payoffs)
    assert found @ chain == pytest.approx(found, abs=1e-12)


def test_alpha_rank_of_a_circle_is_even_and_payoffs_are_scaled_first() -> None:
    assert alpha_rank(ROCK_PAPER_SCISSORS) == pytest.approx([1 / 3] * 3)
    assert alpha_rank(50 * BIASED) == pytest.approx(alpha_rank(2 * BIASED))


def test_solvers_by_age_read_no_payoffs() -> None:
    unknown = np.full((5, 5), np.nan)
    assert fsp(unknown).tolist() == [0.2] * 5
    assert naive(unknown).tolist() == [0, 0, 0, 0, 1]
    # Of 5 members int(2.5) = 2 are left out.
    assert delta_uniform(unknown) == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])
    assert delta_uniform(unknown, 0.0) == pytest.approx([0.2] * 5)
    assert delta_uniform(unknown, 0.9) == pytest.approx([0, 0, 0, 0, 1])
    assert solve("delta_uniform", unknown, 0.9) == pytest.approx([0, 0, 0, 0, 1])
    assert solve("delta_uniform", unknown, None) == delta_uniform(unknown).tolist()


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_member_alone_is_drawn(solver: Any) -> None:
    assert solve(solver, np.zeros((1, 1)), None) == [1.0]


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - BLIND))
def test_a_missing_payoff_is_not_taken_for_a_number(solver: Any) -> None:
    payoffs = ROCK_PAPER_SCISSORS.copy()
    payoffs[2, 0] = payoffs[0, 2] = np.nan
    with pytest.raises(ValueError, match=r"cells that nobody has played: \[\(2, 0\)\]"):
        solve(solver, payoffs, None)
