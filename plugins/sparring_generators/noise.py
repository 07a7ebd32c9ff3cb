"""Counter-based noise: a number in [0, 1) for each (key, counter), whatever else is drawn beside it.

A sample then depends on its own key and place alone, never on what it was batched with or on what came before, and a
resumed run draws what the uninterrupted one would have. SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators", figure 17) is the finaliser.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniforms(
    keys: Sequence[int] | NDArray[np.uint64], counters: Sequence[int] | NDArray[np.uint64]
) -> NDArray[np.float64]:
    """``(N,)`` numbers in [0, 1) with 53 random bits, one for each pair of a 64-bit key and a counter."""
    with np.errstate(over="ignore"):
        z = np.asarray(keys, dtype=np.uint64) + (np.asarray(counters, dtype=np.uint64) + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    drawn: NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn
