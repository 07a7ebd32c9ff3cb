"""What to draw opponents by, given what every member of a population wins against every other.

Members are in the order in which they were added. Some solvers read no payoffs but that order: `naive`, `fsp` and
`delta_uniform`; to those, `nash` and `fsp` are what HCSP's repository has (`thu-uav/HCSP` at 4d40490, arXiv:2505.04317).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Payoffs = NDArray[np.float64]  # (N, N): what the row's member wins of the column's; antisymmetric
Weights = NDArray[np.float64]  # (N,), none negative, sum 1
MetaSolver = Literal["nash", "replicator", "alpha_rank", "fsp", "delta_uniform", "naive"]
BLIND: frozenset[MetaSolver] = frozenset({"fsp", "delta_uniform", "naive"})  # they read no payoffs
DELTA = 0.5  # HCSP's


def nash(payoffs: Payoffs) -> Weights:
    """A strategy ``(N,)`` that loses against no member: an equilibrium of a symmetric zero-sum game, by linear programming.

    Of several, the solver's own choice. Raises ValueError if it finds none, which does not happen with antisymmetric payoffs.
    """
    from scipy.optimize import linprog

    n = len(payoffs)
    # The largest v such that every column yields at least v against the mixture.
    found = linprog(
        np.r_[np.zeros(n), -1.0],
        A_ub=np.c_[-payoffs.T, np.ones(n)],
        b_ub=np.zeros(n),
        A_eq=np.r_[np.ones(n), 0.0][None],
        b_eq=[1.0],
        bounds=[*[(0.0, 1.0)] * n, (None, None)],
    )
    if found.x is None:
        raise ValueError(f"no equilibrium of these payoffs was found ({found.message}): {payoffs.tolist()}")
    return _normal(np.clip(found.x[:n], 0.0, None))


def replicator(payoffs: Payoffs) -> Weights:
    """Projected replicator dynamics (Lanctot et al. 2017, arXiv:1711.00832, section 3.2) from even weights, by OpenSpiel.

    10,000 steps of 0.01, projected to at least 1e-3 / N each; unlike `nash` it prefers the inside of the simplex.
    """
    from open_spiel.python.algorithms.projected_replicator_dynamics import projected_replicator_dynamics

    scaled = _scaled(payoffs)
    mine, _ = projected_replicator_dynamics(
        [scaled, -scaled], prd_iterations=10_000, prd_dt=0.01, prd_gamma=1e-3 / len(payoffs)
    )
    return _normal(np.asarray(mine, dtype=np.float64))


def alpha_rank(payoffs: Payoffs) -> Weights:
    """How long evolution stays with each member (Omidshafiei et al. 2019, arXiv:1903.01373), by OpenSpiel.

    The stationary distribution of a chain in which one mutant at a time takes over a population of 50, or dies out. Its
    selection intensity is 10 (ours; the paper raises it until the ranking stays), on payoffs of at most 1.
    """
    from open_spiel.python.egt import alpharank

    # With strong selection the chance to take over from a better member is e^-490, on the way to which e^490 overflows.
    with np.errstate(over="ignore"):
        _, _, stationary, *_ = alpharank.compute([_scaled(payoffs)], m=50, alpha=10.0, use_local_selection_model=False)
    return _normal(np.clip(stationary, 0.0, None))


def fsp(payoffs: Payoffs) -> Weights:
    """Every member alike: fictitious self-play."""
    return np.full(len(payoffs), 1 / len(payoffs))


def delta_uniform(payoffs: Payoffs, delta: float = DELTA) -> Weights:
    """The newest ``N - int(N * delta)`` members alike, none of the older ones."""
    n = len(payoffs)
    weights = np.zeros(n)
    weights[int(n * delta) :] = 1.0
    return _normal(weights)


def naive(payoffs: Payoffs) -> Weights:
    """The newest member alone. Where strategies beat each other in a circle, so does what is learned against it."""
    weights = np.zeros(len(payoffs))
    weights[-1] = 1.0
    return weights


def _scaled(payoffs: Payoffs) -> Payoffs:
    """Larger payoffs brought down to at most 1, so that constants mean the same in every game."""
    scaled: Payoffs = payoffs / max(1.0, float(np.abs(payoffs).max()))
    return scaled


def _normal(weights: Weights) -> Weights:
    summed: Weights = weights / weights.sum()
    return summed


SOLVERS: dict[MetaSolver, Callable[[Payoffs], Weights]] = {
    "nash": nash,
    "replicator": replicator,
    "alpha_rank": alpha_rank,
    "fsp": fsp,
    "delta_uniform": delta_uniform,
    "naive": naive,
}


def solve(solver: MetaSolver, payoffs: Payoffs, delta: float | None) -> list[float]:
    """The weights of the members by ``solver``; ``delta`` is `delta_uniform`'s alone, None for its default.

    Raises ValueError if a solver that reads payoffs is given ones that are missing (NaN).
    """
    if solver not in BLIND and np.isnan(payoffs).any():
        missing = [(int(i), int(j)) for i, j in np.argwhere(np.isnan(payoffs)) if i > j]
        raise ValueError(f"{solver} reads payoffs, and there are cells that nobody has played: {missing}")
    weights = (
        delta_uniform(payoffs, delta) if solver == "delta_uniform" and delta is not None else SOLVERS[solver](payoffs)
    )
    return [float(weight) for weight in weights]
