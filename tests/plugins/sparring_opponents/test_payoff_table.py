"""Cells by hand: means, how many matches they are worth, and what is missing."""

from __future__ import annotations

import json
import math
from statistics import fmean, stdev

import numpy as np
import pytest

from sparring_opponents.payoff_table import Cell, PayoffTable, Results, Tally


def test_a_tally_of_even_weights_is_mean_and_standard_error() -> None:
    tally, values = Tally(), [1.0, -1.0, 2.0, 0.5]
    for value in values:
        tally.add(value)
    assert tally.mean == pytest.approx(fmean(values))
    assert tally.matches == 4
    assert tally.error == pytest.approx(stdev(values) / 2)


def test_the_first_match_counts_whole_and_old_ones_fade() -> None:
    tally = Tally()
    tally.add(1.0)
    assert tally.mean == 1.0  # not 1 - memory of it: a mean does not begin at 0
    assert tally.error is None
    tally.fade(0.5)
    tally.add(-1.0)
    # Weights 1/2 and 1.
    assert tally.mean == pytest.approx(-1 / 3)
    assert tally.matches == pytest.approx(1.5**2 / 1.25)
    tally.fade(0.5)
    assert tally.mean == pytest.approx(-1 / 3)
    assert tally.matches == pytest.approx(1.5**2 / 1.25)


def test_seats_count_alike_however_often_each_was_drawn() -> None:
    results = Results()
    for _ in range(9):
        results.add(0, "kuhn_poker/player_0", -1.0)
    results.add(0, "kuhn_poker/player_1", 1.0)
    cell = results.cell(0)
    assert cell is not None
    assert cell.payoff == 0
    assert cell.matches == 10
    assert cell.error is None  # of one match in the second seat nothing is known
    for _ in range(3):
        results.add(0, "kuhn_poker/player_1", -3.0)
    cell = results.cell(0)
    assert cell is not None
    assert cell.payoff == pytest.approx((-1 - 2) / 2)
    assert cell.error == pytest.approx(math.sqrt(0 + 3 / 3) / 2)  # variance 3 of four, its mean's error 1


def test_who_has_not_met_has_no_cell() -> None:
    results = Results()
    assert results.cell(3) is None
    assert results.matches(3) == 0
    results.add(1, "g/a", 0.0)
    assert results.cell(1) == Cell(0.0, 1.0, None)
    assert json.loads(json.dumps(results.state_dict())) == {"1": {"g/a": [1, 0, 0, 1]}}


def test_payoffs_are_antisymmetric_and_missing_ones_no_number() -> None:
    table = PayoffTable()
    table.add(10, [Cell(0.3, 40, 0.1)])
    table.add(20, [None, Cell(-0.7, 12, 0.2)])
    expected = np.array([[0, -0.3, np.nan], [0.3, 0, 0.7], [np.nan, -0.7, 0]])
    assert table.payoffs() == pytest.approx(expected, nan_ok=True)
    twin = PayoffTable()
    twin.load_state_dict(json.loads(json.dumps(table.state_dict())))
    assert twin == table


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_member_leaves_with_its_row_and_its_column(at: int) -> None:
    table = PayoffTable()
    table.add(10, [Cell(0.3, 40, 0.1)])
    table.add(20, [Cell(0.5, 8, 0.1), Cell(-0.7, 12, 0.2)])
    kept = [i for i in range(3) if i != at]
    expected = table.payoffs()[np.ix_(kept, kept)]
    table.remove(at)
    assert table.members == [(0, 10, 20)[i] for i in kept]
    assert table.payoffs() == pytest.approx(expected)
    assert [len(row) for row in table.rows] == [0, 1]
