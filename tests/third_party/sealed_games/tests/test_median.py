"""The median baseline."""

from sparring.testing import check_estimator, trajectory

from sealed_games.median import Median, MedianParams


def test_it_is_a_sound_estimator() -> None:
    check_estimator(Median(MedianParams()), zero_if_equal=True)


def test_one_extreme_return_moves_nothing() -> None:
    step = [trajectory([reward]) for reward in (0, 1, 100)]
    assert Median(MedianParams()).estimate(step) == [[-1], [0], [99]]
