"""Against values of the package trueskill 0.4.5, which computes the same by message passing."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from sparring_opponents.trueskill import Rating, quality, rated

NEW = Rating(25, 25 / 3)
SURE, UNSURE = Rating(30, 2), Rating(22, 5)
Numbers = tuple[float, float, float, float]
# beta, winner, loser, drawn -> mu and sigma of both
VALUES: list[tuple[float, Rating, Rating, bool, Numbers]] = [
    (25 / 6, NEW, NEW, False, (29.39583, 7.17148, 20.60417, 7.17148)),
    (25 / 6, NEW, NEW, True, (25.0, 6.45752, 25.0, 6.45752)),
    (25 / 6, SURE, UNSURE, False, (30.16181, 1.97659, 20.99015, 4.59465)),
    (25 / 6, UNSURE, SURE, False, (27.01671, 4.12838, 29.19616, 1.95)),
    (25 / 6, SURE, UNSURE, True, (29.4985, 1.93798, 25.12983, 3.90173)),
    (4.0, NEW, NEW, False, (29.42443, 7.15219, 20.57557, 7.15219)),
    (4.0, NEW, NEW, True, (25.0, 6.42305, 25.0, 6.42305)),
    (4.0, SURE, UNSURE, False, (30.16057, 1.97593, 20.99793, 4.58357)),
    (4.0, UNSURE, SURE, False, (27.18039, 4.08234, 29.16993, 1.94751)),
    (4.0, SURE, UNSURE, True, (29.47607, 1.93508, 25.26982, 3.84524)),
]


@pytest.mark.parametrize(("beta", "winner", "loser", "drawn", "expected"), VALUES)
def test_ratings_after_a_match(beta: float, winner: Rating, loser: Rating, drawn: bool, expected: Numbers) -> None:
    one, other = rated(winner, loser, beta, 25 / 300, 0.1, drawn=drawn)
    assert (one.mu, one.sigma, other.mu, other.sigma) == pytest.approx(expected, abs=1e-5)


def test_a_draw_is_the_same_from_either_side() -> None:
    one, other = rated(SURE, UNSURE, 4.0, 0.1, 0.1, drawn=True)
    swapped = rated(UNSURE, SURE, 4.0, 0.1, 0.1, drawn=True)
    assert astuple(swapped[0]) == pytest.approx(astuple(other), rel=1e-12)
    assert astuple(swapped[1]) == pytest.approx(astuple(one), rel=1e-12)


def test_match_quality() -> None:
    assert quality(NEW, NEW, 25 / 6) == pytest.approx(0.4472135954999579)
    assert quality(SURE, UNSURE, 25 / 6) == pytest.approx(0.44674990720660473)
    assert quality(SURE, UNSURE, 4.0) == pytest.approx(0.4286308823089122)
    assert quality(NEW, NEW, 4.0) == pytest.approx(0.4327310675847713)
    assert quality(UNSURE, SURE, 4.0) == quality(SURE, UNSURE, 4.0)


@pytest.mark.parametrize("drawn", [True, False])
def test_what_was_next_to_impossible_still_gives_numbers(drawn: bool) -> None:
    one, other = rated(Rating(-300, 0.5), Rating(300, 0.5), 4.0, 0.0, 0.1, drawn=drawn)
    assert -300 < one.mu < other.mu < 300
    assert 0 < one.sigma <= 0.5
    assert 0 < other.sigma <= 0.5
