"""What to draw opponents by, given what every member of a population wins against every other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Payoffs = NDArray[np.float64]  # (N, N): what the row's member wins of the column's; antisymmetric
MetaSolver = Literal["nash", "replicator", "uniform"]


def nash(payoffs: Payoffs) -> NDArray[np.float64]:
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


def replicator(payoffs: Payoffs) -> NDArray[np.float64]:
    """Projected replicator dynamics (Lanctot et al. 2017, arXiv:1711.00832, section 3.2) from even weights, by OpenSpiel.

    10,000 steps of 0.01, projected to at least 1e-3 / N each; unlike `nash` it prefers the inside of the simplex.
    """
    from open_spiel.python.algorithms.projected_replicator_dynamics import projected_replicator_dynamics

    scaled = payoffs / max(1.0, float(np.abs(payoffs).max()))
    mine, _ = projected_replicator_dynamics(
        [scaled, -scaled], prd_iterations=10_000, prd_dt=0.01, prd_gamma=1e-3 / len(payoffs)
    )
    return _normal(np.asarray(mine, dtype=np.float64))


def uniform(payoffs: Payoffs) -> NDArray[np.float64]:
    """Every member alike: fictitious self-play."""
    return np.full(len(payoffs), 1 / len(payoffs))


def _normal(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    summed: NDArray[np.float64] = weights / weights.sum()
    return summed


SOLVERS: dict[MetaSolver, Callable[[Payoffs], NDArray[np.float64]]] = {
    "nash": nash,
    "replicator": replicator,
    "uniform": uniform,
}
