"""Noise is uniform, and depends on its key and counter alone."""

import numpy as np

from sparring_generators.noise import uniforms


def test_a_number_does_not_depend_on_what_is_drawn_beside_it() -> None:
    keys, counters = [3, 2**63 + 5, 17], [0, 9, 4]
    together = uniforms(keys, counters)
    alone = [uniforms([k], [c])[0] for k, c in zip(keys, counters, strict=True)]
    assert together.tolist() == alone


def test_numbers_are_uniform_over_counters_and_over_keys() -> None:
    n = 40_000
    for keys, counters in ((np.full(n, 7), np.arange(n)), (np.arange(n), np.zeros(n))):
        drawn = uniforms(keys.astype(np.uint64), counters.astype(np.uint64))
        assert drawn.min() >= 0
        assert drawn.max() < 1
        observed = np.histogram(drawn, bins=20, range=(0, 1))[0]
        chi_squared = ((observed - n / 20) ** 2 / (n / 20)).sum()
        assert chi_squared < 43.8  # the 0.999 quantile with 19 degrees of freedom
        assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
