"""Shapers of the solve rate, against the table of formulas."""

import math

import pytest

from sparring import SparringError
from sparring_judges.difficulty import Difficulty, DifficultyParams


def value(rate: float, **params: object) -> float:
    return Difficulty(DifficultyParams.model_validate(params)).judge([{"rate": rate}])[0].values[0]


@pytest.mark.parametrize(
    ("shaper", "expected"),
    [  # at p = 0, 1/8, 1/4, 1/2, 7/8, 1
        ("tent", [0, 0.25, 0.5, 1, 0.25, 0]),
        ("min_tent", [0, 0.125, 0.25, 0.5, 0.125, 0]),
        ("one_minus_gated", [0, 0.875, 0.75, 0.5, 0.125, 0]),
        ("one_minus", [1, 0.875, 0.75, 0.5, 0.125, 0]),
        ("binary_band", [0, 1, 1, 1, 1, 0]),
        ("gauss", [0, 0.0796, 0.3247, 1, 0.0796, 0]),
        ("gauss_variance", [math.exp(-3.125), 0.3720, 0.8226, 1, 0.3720, math.exp(-3.125)]),
        ("parabola", [0, 0.4375, 0.75, 1, 0.4375, 0]),
    ],
)
def test_shapers(shaper: str, expected: list[float]) -> None:
    found = [value(p, shaper=shaper) for p in (0, 1 / 8, 1 / 4, 1 / 2, 7 / 8, 1)]
    assert found == pytest.approx(expected, abs=1e-4)


def test_r_zero_pays_twice_as_much_in_the_paper_as_in_its_repository() -> None:
    for hits in range(11):
        assert value(hits / 10, shaper="tent") == pytest.approx(2 * value(hits / 10, shaper="min_tent"))


def test_absolute_zero_charges_for_tasks_that_none_or_all_solve() -> None:
    params = {"shaper": "one_minus_gated", "nothing": -0.5}
    assert [value(p, **params) for p in (0, 0.125, 1)] == [-0.5, 0.875, -0.5]


def test_a_band_has_open_ends() -> None:
    params = {"shaper": "binary_band", "low": 0.25, "high": 0.75}
    assert [value(p, **params) for p in (0.25, 0.26, 0.75)] == [0, 1, 0]


def test_scale_and_sigma() -> None:
    assert value(0.25, shaper="tent", scale=3) == 1.5
    assert value(0.25, shaper="gauss", sigma=0.25) == pytest.approx(math.exp(-0.5))


def test_a_rate_is_a_share() -> None:
    with pytest.raises(SparringError, match="between 0 and 1; got 8"):
        value(8)


@pytest.mark.parametrize("given", [{"shaper": "tent", "low": 0.2}, {"shaper": "tent", "sigma": 0.1}])
def test_settings_that_would_do_nothing_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="the shaper is tent"):
        DifficultyParams.model_validate(given)
